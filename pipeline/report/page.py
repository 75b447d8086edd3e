"""Put the page together from the results of a run."""

import base64
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.atlases.overlays import Look
from pipeline.report.atlas_cells import PATH_SIDE, TITLES, cell_views, colour_stops
from pipeline.report.comparison import OTHER, THIS, beside, config_differences
from pipeline.report.dictionary import describe
from pipeline.report.methods_text import config_rows, methods_paragraph
from pipeline.report.parts import (
    Facts,
    Figure,
    FilledTable,
    Place,
    Table,
    fill,
    read_facts,
)
from pipeline.report.pictures import read_figure
from pipeline.report.places import (
    ATLAS,
    BASELINE,
    DETECTOR,
    RUN,
    SHARD,
    places,
    scope_of,
)
from pipeline.report.problems import ERROR
from pipeline.report.run_description import RunDescription
from pipeline.report.sections import METRICS_TABLE, Block, Section
from pipeline.report.single_frames import frame_views
from pipeline.report.tables import Tables, records, value_of
from pipeline.report.values import Value
from pipeline.report.versions import installed_versions
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
LARGE_RUN = 6  # detectors
MAX_ROWS = 400  # of a table; the rest is in its file
DRAWN_WARNING = (
    "This page has results of the data set miniature, which holds drawn faces with "
    "drawn forgeries. Nothing on this page is evidence about real deepfakes."
)


@dataclass(frozen=True)
class Group:
    """The parts of a section for one detector, or for one of its baselines.

    Attributes:
        title: its heading; "" for the parts of the whole run.
        name: of its place in the page.
        parts: as HTML.
        is_folded: whether a reader must open it.
    """

    title: str
    name: str
    parts: Sequence[Markup]
    is_folded: bool = False


@dataclass(frozen=True)
class FilledSection:
    """A section with its content; the parts of detectors may be on other pages."""

    section: Section
    groups: list[Group] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.links and not any(group.parts for group in self.groups)


class Page:
    """Fills the sections with the results of one run."""

    def __init__(self, run: RunDescription, tables: Tables) -> None:
        self.run, self.tables = run, tables
        self.templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        atlases = run.config["atlases"]
        self.look = Look(atlases["colormap"], atlases["opacity"])
        self.is_large = len(run.detectors) >= LARGE_RUN
        self.places = {scope: list(places(run, scope)) for scope in SCOPES}

    def of_scope(self, section: Section, scope: str) -> Group:
        """The parts of a section that have this scope, without a heading."""
        return Group("", section.name, self._parts(section, scope, self.places[scope]))

    def of_detector(self, section: Section, names: Place) -> list[Group]:
        """The parts of a section for one detector, and for each of its baselines."""
        title = "{model}/{protocol}".format(**names)
        own = self._parts(section, DETECTOR, [names])
        groups = [Group(title, anchor(section.name, *names.values()), own)]
        for baseline in self.run.baselines:
            place = {**names, "baseline": baseline}
            found = self._parts(section, ATLAS, [place])
            heading = f"{title}, from {baseline}"
            name = anchor(section.name, *place.values())
            groups.append(Group(heading, name, found, is_folded=True))
        return [group for group in groups if group.parts]

    def _parts(
        self, section: Section, scope: str, of_places: Sequence[Place]
    ) -> list[Markup]:
        """The HTML of the parts of a section that have a scope, at these places."""
        return [
            html
            for part in section.parts
            if scope_of(part) == scope
            for place in of_places
            for html in self._part(part, place)
        ]

    def _part(self, part: Figure | Table | Block, place: Place) -> list[Markup]:
        """The HTML of a part at a place; none if there is nothing to show."""
        if not isinstance(part, Block) and not self.run.has(part.needs):
            return []
        if isinstance(part, Figure):
            name, make = part.file.format(**place), partial(self._figure, part, place)
        elif isinstance(part, Table):
            name, make = part.file.format(**place), partial(self._table, part, place)
        else:
            name, make = part.name, partial(BLOCKS[part.name], self, place)
        return self.guarded(name, make)

    def guarded(self, name: str, make: Callable[[], list[Markup]]) -> list[Markup]:
        """What `make` gives, or a note that it cannot be shown.

        A file that is damaged, or of another version, costs its own part alone.
        """
        try:
            return make()
        except (StepError, OSError, ValueError, KeyError, IndexError) as error:
            log.warning("%s cannot be shown: %s", name, error)
            reason = f"{type(error).__name__}: {error}"
            return [self._render("damaged.html", name=name, reason=reason)]

    def _table(self, table: Table, place: Place) -> list[Markup]:
        filled = fill(table, self.tables, place)
        return [] if filled is None else [self.table(filled)]

    def _figure(self, figure: Figure, place: Place) -> list[Markup]:
        file = figure.file.format(**place)
        path = self.tables.results / file
        if not path.is_file() or (figure.has_faces and not self.run.shows_faces):
            return []
        read = (read_facts(one, self.tables, place) for one in figure.facts)
        facts = [found for found in read if found is not None]
        numbers = " ".join(found.text for found in facts)
        return [
            self._render(
                "figure.html",
                figure=figure,
                file=file,
                picture=read_figure(path, fast=self.is_large),
                facts=facts,
                text=f"{figure.caption} {numbers or 'There are no numbers for it.'}",
            )
        ]

    def table(self, table: FilledTable) -> Markup:
        """The HTML of a table."""
        described = [describe(table.file, column) for column, _ in table.columns]
        return self._render(
            "table.html",
            table=table,
            meanings=["" if one is None else one.meaning for one in described],
            max_rows=MAX_ROWS,
        )

    def _render(self, template: str, **values: Any) -> Markup:
        return Markup(self.templates.get_template(template).render(**values))

    # Blocks.

    def summary(self, place: Place) -> list[Markup]:
        """The run in a few lines."""
        tables = self.tables
        problems = tables.read("report/problems.csv")
        severities = set() if problems is None else set(problems["severity"])
        summary = self._render(
            "summary.html",
            auc=read_facts(AUC, tables, place),
            totals=self._map_totals(),
            counts=read_facts(COUNTS, tables, place),
            is_unfinished=ERROR in severities,
        )
        found = (self._table(one, place) for one in (DETECTORS_TABLE, MAPS_TABLE))
        return [summary, *(one for shown in found for one in shown)]

    def _map_totals(self) -> dict[str, Value]:
        """The values of the only row of `map_totals.csv`; none without atlases."""
        file = "report/map_totals.csv"
        table = self.tables.read(file)
        if table is None or table.empty:
            return {}
        (row,) = records(table)
        return {name: value_of(row, file, name, s) for name, s in MAP_TOTALS.items()}

    def viewer(self, place: Place) -> list[Markup]:
        """The cells of an atlas."""
        return self._cells(self.tables, place)

    def _cells(self, tables: Tables, place: Place) -> list[Markup]:
        faces = self.run.shows_faces
        cells = list(cell_views(tables, place, look=self.look, faces=faces))
        if not cells:
            return []
        stops = colour_stops(self.look)
        return [
            self._render(
                "cells.html", cells=cells, side=PATH_SIDE, stops=stops, titles=TITLES
            )
        ]

    def gallery(self, place: Place) -> list[Markup]:
        """Single frames of an atlas."""
        if not self.run.shows_faces:
            return []
        count = self.run.config["atlases"]["gallery"]
        frames = list(frame_views(self.tables, place, count=count, look=self.look))
        if not frames:
            return []
        return [self._render("gallery.html", frames=frames, side=PATH_SIDE)]

    def problems(self, place: Place) -> list[Markup]:
        """What failed."""
        return self._table(PROBLEMS_TABLE, place)

    def methods(self, place: Place) -> list[Markup]:
        """A paragraph and its references."""
        paragraph, entries = methods_paragraph(self.run)
        return [self._render("methods.html", paragraph=paragraph, entries=entries)]

    def reproduction(self, place: Place) -> list[Markup]:
        """Versions, configuration, commands and checksums."""
        found = self._render(
            "reproduction.html",
            versions=installed_versions(),
            results=self.run.config["results"],
            settings=config_rows(self.run.config),
        )
        return [found, *self._table(CHECKSUMS_TABLE, place)]

    def comparison(self, other: RunDescription, tables: Tables) -> list[Group]:
        """Another run's metrics, configuration and atlases beside those of this one."""
        parts = self.guarded("metrics", partial(self._metrics_beside, tables))
        differences = config_differences(self.run, other)
        parts.append(self._render("config_differences.html", differences=differences))
        groups = [Group("", "comparison", parts)]
        for place in self.places[ATLAS]:
            title = "{model}/{protocol}, from {baseline}".format(**place)
            name = anchor("atlases", *place.values())
            both = self.guarded(title, partial(self._cells_beside, tables, place))
            if both:
                groups.append(Group(title, name, both, is_folded=True))
        return groups

    def _metrics_beside(self, tables: Tables) -> list[Markup]:
        found = beside(METRICS_TABLE, self.tables, tables, COMPARED_METRICS)
        return [] if found is None else [self.table(found)]

    def _cells_beside(self, tables: Tables, place: Place) -> list[Markup]:
        own = self._cells(self.tables, {"run": THIS, **place})
        others = self._cells(tables, {"run": OTHER, **place})
        return [*own, *others] if own and others else []

    # Whole pages.

    def document(
        self,
        title: str,
        sections: Sequence[FilledSection],
        *,
        is_index: bool,
        has_drawn_faces: bool,
    ) -> str:
        """A page as HTML."""
        script = (TEMPLATES / "page.js").read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return self.templates.get_template("page.html").render(
            title=title,
            sections=[one for one in sections if not one.is_empty],
            is_index=is_index,
            warning=DRAWN_WARNING if has_drawn_faces else "",
            style=Markup((TEMPLATES / "style.css").read_text("utf-8")),
            script=Markup(script),
            script_digest=digest,
        )


SCOPES = (RUN, SHARD, BASELINE, DETECTOR, ATLAS)
BLOCKS = {
    "summary": Page.summary,
    "viewer": Page.viewer,
    "gallery": Page.gallery,
    "problems": Page.problems,
    "methods": Page.methods,
    "reproduction": Page.reproduction,
}
AUC = Facts(
    "video AUC",
    "metrics/videos.csv",
    "value",
    ".3f",
    names=("model", "protocol", "dataset", "compression"),
    where={"metric": "auc", "method": "all"},
    interval=True,
)
MAP_TOTALS = {
    "maps": "d",
    "converged_share": ".1%",
    "smallest_median_error": ".1%",
    "largest_median_error": ".1%",
}
COMPARED_METRICS = ("auc", "eer", "balanced_accuracy", "ece")
COUNTS = Facts("problems", "report/problem_counts.csv", "count", "d", names=("kind",))
DETECTORS_TABLE = Table(
    "report/detectors.csv",
    "The detectors, and what they were trained on",
    ("model", "protocol", "network"),
    {
        "datasets": "",
        "methods": "",
        "compressions": "",
        "videos": "d",
        "persons": "d",
        "crops": "d",
        "input_size": "d",
        "seed": "d",
    },
)
MAPS_TABLE = Table(
    "report/maps.csv",
    "How exact the maps of each atlas are",
    ("model", "protocol", "baseline"),
    {
        "maps": "d",
        "converged_share": ".1%",
        "median_map_error": ".1%",
        "largest_map_error": ".1%",
        "median_completeness_error": ".2%",
        "steps": ".1f",
    },
)
PROBLEMS_TABLE = Table(
    "report/problems.csv",
    "Errors and warnings",
    ("severity", "kind", "what"),
    {"reason": "", "remedy": ""},
    empty="No step left an error in its log, no result is missing, every video gave "
    "all of its crops, and every map is within the tolerances.",
)
CHECKSUMS_TABLE = Table(
    "report/checksums.csv", "SHA-256 of the tables", ("file",), {"sha256": ""}
)


def anchor(*names: str) -> str:
    """A name of a place in a page."""
    return ".".join(names)  # no name has a dot
