"""Put the page together from the results of a run."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.atlases.overlays import Look
from pipeline.report.atlas_cells import PATH_SIDE, cell_views
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
from pipeline.report.run_description import RunDescription, read_description
from pipeline.report.sections import (
    COMPARISON,
    METRICS_TABLE,
    SECTIONS,
    Block,
    Section,
)
from pipeline.report.single_frames import frame_views
from pipeline.report.tables import Tables

TEMPLATES = Path(__file__).parent / "templates"
MAX_INDEX_BYTES = 4_900_000  # larger runs have a page for each detector
MAX_ROWS = 400  # of a table; the rest is in its file
INDEX, PAGES = "index.html", "pages"
DRAWN_WARNING = (
    "This run uses the data set miniature, which holds drawn faces with drawn "
    "forgeries. Nothing on this page is evidence about real deepfakes."
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
        self.places = {name: list(self._places(name)) for name in SCOPES}

    def _places(self, scope: str) -> Iterator[Place]:
        """All places of a scope: what the names in a pattern stand for."""
        if scope == "run":
            yield {}
        if scope == "shard":
            yield from ({"shard": name} for name in self.run.shards.get("test", []))
        if scope == "baseline":
            yield from ({"baseline": name} for name in self.run.baselines)
        for detector in self.run.detectors:
            names = {"model": detector.model, "protocol": detector.protocol}
            if scope == "detector":
                yield names
            if scope == "atlas":
                for baseline in self.run.baselines:
                    yield {**names, "baseline": baseline}

    def shared(self, section: Section) -> Group:
        """The parts of a section that are of the run and of no single detector."""
        found: list[Markup] = []
        for part in section.parts:
            scope = scope_of(part)
            if scope in ("run", "shard", "baseline"):
                for place in self.places[scope]:
                    found += self._part(part, place)
        return Group("", section.name, found)

    def of_detector(self, section: Section, names: Place) -> list[Group]:
        """The parts of a section for one detector, and for each of its baselines."""
        title = "{model}/{protocol}".format(**names)
        own: list[Markup] = []
        for part in section.parts:
            if scope_of(part) == "detector":
                own += self._part(part, names)
        groups = [Group(title, anchor(section.name, *names.values()), own)]
        for baseline in self.run.baselines:
            place = {**names, "baseline": baseline}
            found: list[Markup] = []
            for part in section.parts:
                if scope_of(part) == "atlas":
                    found += self._part(part, place)
            heading = f"{title}, from {baseline}"
            name = anchor(section.name, *place.values())
            groups.append(Group(heading, name, found, is_folded=True))
        return [group for group in groups if group.parts]

    def _part(self, part: Figure | Table | Block, place: Place) -> list[Markup]:
        """The HTML of a part at a place; none if there is nothing to show."""
        if isinstance(part, Figure):
            return self._figure(part, place)
        if isinstance(part, Table):
            table = fill(part, self.tables, place)
            return [] if table is None else [self.table(table)]
        return BLOCKS[part.name](self, place)

    def _figure(self, figure: Figure, place: Place) -> list[Markup]:
        file = figure.file.format(**place)
        path = self.tables.results / file
        if not path.is_file() or (figure.has_faces and not self.run.shows_faces):
            return []
        facts = [
            (one.what, found)
            for one in figure.facts
            if (found := read_facts(one, self.tables, place))
        ]
        numbers = "; ".join(
            f"{what}: {', '.join(map(str, found))}" for what, found in facts
        )
        picture = read_figure(path)
        return [
            self._render(
                "figure.html",
                figure=figure,
                file=file,
                picture=picture,
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
        """The run in five lines."""
        tables = self.tables
        facts = {
            name: read_facts(one, tables, place) for name, one in SUMMARY_FACTS.items()
        }
        problems = tables.read("report/problems.csv")
        counts = tables.read("report/problem_counts.csv")
        detectors = fill(DETECTORS_TABLE, tables, place)
        return [
            self._render(
                "summary.html",
                facts=facts,
                has_problems=problems is not None and len(problems) > 0,
                counts=[] if counts is None else read_facts(COUNTS, tables, place),
            ),
            *([] if detectors is None else [self.table(detectors)]),
        ]

    def viewer(self, place: Place) -> list[Markup]:
        """The cells of an atlas."""
        return self._cells(self.tables, place)

    def _cells(self, tables: Tables, place: Place) -> list[Markup]:
        faces = self.run.shows_faces
        cells = list(cell_views(tables, place, look=self.look, faces=faces))
        if not cells:
            return []
        return [self._render("cells.html", cells=cells, side=PATH_SIDE)]

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
        table = fill(PROBLEMS_TABLE, self.tables, place)
        if table is None:
            return [self._render("no_problems.html")]
        return [self.table(table)]

    def methods(self, place: Place) -> list[Markup]:
        """A paragraph and its references."""
        paragraph, entries = methods_paragraph(self.run)
        return [self._render("methods.html", paragraph=paragraph, entries=entries)]

    def reproduction(self, place: Place) -> list[Markup]:
        """Versions, configuration, commands and checksums."""
        found = [
            self._render(
                "reproduction.html",
                versions=self.run.versions,
                settings=config_rows(self.run.config),
            )
        ]
        checksums = fill(CHECKSUMS_TABLE, self.tables, place)
        return found if checksums is None else [*found, self.table(checksums)]

    def comparison(self, other: RunDescription, tables: Tables) -> list[Group]:
        """Another run's metrics, configuration and atlases beside those of this one."""
        metrics = beside(METRICS_TABLE, self.tables, tables, COMPARED_METRICS)
        differences = config_differences(self.run, other)
        parts = [] if metrics is None else [self.table(metrics)]
        parts.append(self._render("config_differences.html", differences=differences))
        groups = [Group("", "comparison", parts)]
        for place in self.places["atlas"]:
            own = self._cells(self.tables, {"run": THIS, **place})
            others = self._cells(tables, {"run": OTHER, **place})
            if own and others:
                title = "{model}/{protocol}, from {baseline}".format(**place)
                name = anchor("atlases", *place.values())
                groups.append(Group(title, name, [*own, *others], is_folded=True))
        return groups

    # Whole pages.

    def document(
        self, title: str, sections: Sequence[FilledSection], *, is_index: bool
    ) -> str:
        """A page as HTML."""
        script = (TEMPLATES / "page.js").read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return self.templates.get_template("page.html").render(
            title=title,
            sections=[one for one in sections if not one.is_empty],
            is_index=is_index,
            warning=DRAWN_WARNING if self.run.has_drawn_faces else "",
            style=Markup((TEMPLATES / "style.css").read_text("utf-8")),
            script=Markup(script),
            script_digest=digest,
        )


SCOPES = ("run", "shard", "baseline", "detector", "atlas")
BLOCKS = {
    "summary": Page.summary,
    "viewer": Page.viewer,
    "gallery": Page.gallery,
    "problems": Page.problems,
    "methods": Page.methods,
    "reproduction": Page.reproduction,
}
ATLAS_BLOCKS = ("viewer", "gallery")
SUMMARY_FACTS = {
    "auc": Facts(
        "video AUC",
        "metrics/videos.csv",
        "value",
        ".3f",
        names=("model", "protocol", "dataset", "compression"),
        where={"metric": "auc", "method": "all"},
        interval=True,
    ),
    "converged": Facts(
        "maps within both tolerances",
        "report/maps.csv",
        "converged_share",
        ".1%",
        names=("model", "protocol", "baseline"),
    ),
    "map_error": Facts(
        "median error of a map",
        "report/maps.csv",
        "median_map_error",
        ".1%",
        names=("model", "protocol", "baseline"),
    ),
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
    },
)
PROBLEMS_TABLE = Table(
    "report/problems.csv",
    "Errors and warnings",
    ("severity", "kind", "what"),
    {"reason": "", "remedy": ""},
)
CHECKSUMS_TABLE = Table(
    "report/checksums.csv", "SHA-256 of the tables", ("file",), {"sha256": ""}
)


def scope_of(part: Figure | Table | Block) -> str:
    """What a part is shown for: the run, each detector, each atlas, ..."""
    if isinstance(part, Block):
        return "atlas" if part.name in ATLAS_BLOCKS else "run"
    has_model, has_baseline = "{model}" in part.file, "{baseline}" in part.file
    if has_model:
        return "atlas" if has_baseline else "detector"
    if has_baseline:
        return "baseline"
    return "shard" if "{shard}" in part.file else "run"


def anchor(*names: str) -> str:
    """A name of a place in a page."""
    return "-".join(names)


def write_pages(
    run: RunDescription, results: Path, workers: int = 1
) -> Iterator[tuple[str, str]]:
    """Yield the pages of a report: their names and their HTML, the index last.

    So many processes (`workers`) fill the parts of detectors.

    All is in the index as long as it has at most MAX_INDEX_BYTES. Otherwise each
    detector has a page of its own, which the index links.
    """
    page = Page(run, Tables(results))
    sections = [FilledSection(one, [page.shared(one)]) for one in SECTIONS]
    waiting: list[tuple[Place, list[list[Group]]]] = []
    size = _size(group for one in sections for group in one.groups)
    is_split = False
    for names, groups in _of_detectors(page, workers):
        size += _size(group for found in groups for group in found)
        waiting.append((names, groups))
        is_split = is_split or size > MAX_INDEX_BYTES
        if is_split:
            for detector in waiting:
                yield _detector_page(page, sections, *detector)
            waiting.clear()
    for _, groups in waiting:
        for one, found in zip(sections, groups, strict=True):
            one.groups.extend(found)
    if run.config["report"]["compare_with"]:
        yield _comparison_page(page, sections, run.config["report"]["compare_with"])
    yield (
        INDEX,
        page.document("deepfake-atlas: report of a run", sections, is_index=True),
    )


def _comparison_page(
    page: Page, index: Sequence[FilledSection], folder: str
) -> tuple[str, str]:
    """The page with another run beside this one; the section of metrics links it."""
    other = read_description(Path(folder) / "report" / "run.json")
    groups = page.comparison(other, Tables(Path(folder), prefix=f"{folder}/"))
    name = f"{PAGES}/comparison.html"
    for one in index:
        if one.section.name == "metrics":
            one.links.append((name, f"comparison with {folder}"))
    document = page.document(
        "deepfake-atlas: two runs", [FilledSection(COMPARISON, groups)], is_index=False
    )
    return name, document


# The page of a worker process, made when it starts.
_own: list[Page] = []


def _of_detectors(
    page: Page, workers: int
) -> Iterator[tuple[Place, list[list[Group]]]]:
    """The parts of each detector, section by section, in the detectors' order."""
    places = page.places["detector"]
    if workers == 1 or len(places) < 2:
        yield from ((names, _filled_sections(page, names)) for names in places)
        return
    # Not `fork`: OpenCV has threads.
    with ProcessPoolExecutor(
        min(workers, len(places)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(page.run, page.tables.results),
    ) as pool:
        yield from zip(places, pool.map(_fill_in_worker, places), strict=True)


def _start_worker(run: RunDescription, results: Path) -> None:
    _own.append(Page(run, Tables(results)))


def _fill_in_worker(names: Place) -> list[list[Group]]:
    return _filled_sections(_own[0], names)


def _filled_sections(page: Page, names: Place) -> list[list[Group]]:
    return [page.of_detector(section, names) for section in SECTIONS]


def _size(groups: Iterator[Group]) -> int:
    """Bytes of HTML, nearly all of which are ASCII."""
    return sum(len(part) for group in groups for part in group.parts)


def _detector_page(
    page: Page,
    index: Sequence[FilledSection],
    names: Mapping[str, str],
    groups: Sequence[Sequence[Group]],
) -> tuple[str, str]:
    """A detector's own page. The sections of the index get links to it."""
    title = "{model}/{protocol}".format(**names)
    name = f"{PAGES}/{anchor(*names.values())}.html"
    own = []
    for one, found in zip(index, groups, strict=True):
        if found:
            one.links.append((f"{name}#{one.section.name}", title))
            own.append(FilledSection(one.section, list(found)))
    return name, page.document(f"deepfake-atlas: {title}", own, is_index=False)
