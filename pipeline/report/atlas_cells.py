"""The cells of atlases as layers that the page can show and hide.

A cell is the frames of one method with one outcome in one test set. Its layers lie on
each other: the mean face, the mean map with the colours and opacities of `atlas.png`,
grey over the squares that are not significant, and a line around the mean mask.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from cmcrameri import cm

from pipeline.atlases.arrays import FORMAT, VERSION
from pipeline.atlases.differences import REAL_FACES, ZERO, read_squares
from pipeline.atlases.overlays import Look, colour_layer, shared_limit
from pipeline.files.hdf5 import open_marked
from pipeline.report.pictures import from_array, squares_uri
from pipeline.report.tables import ROW, Row, Tables, records, value_of
from pipeline.report.values import Value
from pipeline.statistics.significance import MIN_TESTED_UNITS

LAYER_SIDE = 112  # px
PATH_SIDE = 100  # the mask's line is drawn in a square of this side
TESTED = "atlases/significance.csv"
KEYS = ("dataset", "compression", "method", "outcome")
CAPTION = {
    "frames": "d",
    "units": "d",
    "mean_attribution_sum": "+.2f",
    "mean_change": "+.2f",
    "map_error": ".1%",
    "integration_ratio": ".2f",
}
SIGNIFICANCE = {"significant_share": ".1%", "significant_logits": "+.2f"}
TITLES = {
    "frames": "frames",
    "units": "units",
    "mean_attribution_sum": "sum of the map",
    "mean_change": "change of the logit",
    "map_error": "map error",
    "integration_ratio": "map / sampling error",
    "significant_share": "significant squares",
    "significant_logits": "logits in them",
}


@dataclass(frozen=True)
class CellView:
    """A cell as the page shows it.

    Attributes:
        place: model, protocol, baseline and the KEYS, each with its name.
        numbers: of the cell, by column.
        face: data URI of the mean face; "" if faces are not shown.
        heatmap: data URI of the mean map.
        is_tested: whether the cell is compared with real faces, or with zero.
        hatch: data URI of what is not significant; "" if that is not known.
        outline: the line around the mask, as the data of an SVG path; "" without one.
    """

    place: Mapping[str, str]
    numbers: Mapping[str, Value]
    face: str
    heatmap: str
    is_tested: bool
    hatch: str
    outline: str

    @property
    def title(self) -> str:
        """Its name in the page."""
        return ", ".join(self.place.values())

    @property
    def text(self) -> str:
        """What the picture shows, in words."""
        numbers = [f"{TITLES[name]} {value}" for name, value in self.numbers.items()]
        tested = "" if self.is_tested else " It is not tested."
        return f"Mean attribution map. {self.title}: {', '.join(numbers)}.{tested}"


def cell_views(
    tables: Tables,
    place: Mapping[str, str],
    *,
    look: Look,
    faces: bool,
) -> Iterator[CellView]:
    """The cells of an atlas, in the order of its file.

    `place` has model, protocol and baseline, and may have further names. Cells of fewer
    than MIN_TESTED_UNITS units are left out, as in `atlas.png`.
    """
    file = tables.results / "atlases" / "significance.h5"
    squares = read_squares(file) if file.is_file() else None
    folder = "atlases/{model}/{protocol}/{baseline}".format(**place)
    arrays = tables.results / folder / "arrays.h5"
    rows = tables.read(f"{folder}/cells.csv")
    if rows is None or not arrays.is_file():
        return
    by_key = {tuple(row[key] for key in KEYS): row for row in records(rows)}
    tested_by_key = _tested(tables, place)
    limits: dict[tuple[str, ...], float] = {}
    cells = list(_read_pictures(arrays))
    for cell in cells:
        key = tuple(cell.names[name] for name in KEYS)
        if key[-1] == "all":
            limits[key[:-1]] = shared_limit([cell.mean])
    for cell in cells:
        key = tuple(cell.names[name] for name in KEYS)
        row = by_key.get(key)
        if row is None or int(row["units"]) < MIN_TESTED_UNITS:
            continue
        numbers = {
            name: value_of(row, f"{tables.prefix}{folder}/cells.csv", name, style)
            for name, style in CAPTION.items()
        }
        tested = tested_by_key.get(key)
        hatch = ""
        is_tested = False
        if tested is not None and tested["tested"] == "True":
            is_tested = True
            numbers |= {
                name: value_of(tested, f"{tables.prefix}{TESTED}", name, style)
                for name, style in SIGNIFICANCE.items()
            }
            if squares is not None:
                hatch = squares_uri(squares[int(tested[ROW]) - 1])
        yield CellView(
            {**place, **cell.names},
            numbers,
            _face(cell.face) if faces else "",
            heatmap_uri(cell.mean, limits[key[:-1]], look),
            is_tested,
            hatch,
            outline(cell.mask),
        )


@dataclass(frozen=True)
class _Picture:
    """The arrays of a cell that are shown, and its names."""

    names: Mapping[str, str]
    mean: np.ndarray
    face: np.ndarray
    mask: np.ndarray


def _read_pictures(path: Path) -> Iterator[_Picture]:
    """Read what is shown of the cells, without the resamples, which are large."""
    with open_marked(path, FORMAT, VERSION) as file:
        groups = file.get("cells", {})
        for name in sorted(groups):
            group = groups[name]
            names = {key: str(group.attrs[key]) for key in KEYS}
            yield _Picture(names, *(group[key][:] for key in ("mean", "face", "mask")))


def _tested(tables: Tables, place: Mapping[str, str]) -> dict[tuple[str, ...], Row]:
    """The rows in which cells are compared with real faces, or with zero, by KEYS."""
    names = {key: place[key] for key in ("model", "protocol", "baseline")}
    rows = tables.select(TESTED, {**names, "comparison": [REAL_FACES, ZERO]})
    if rows is None:
        return {}
    return {tuple(row[key] for key in KEYS): row for row in records(rows)}


def heatmap_uri(heatmap: np.ndarray, limit: float, look: Look) -> str:
    """A map (S, S) as colours whose opacity grows with the strength: a data URI.

    The colours are those of `overlay`, which draws a map over a face.
    """
    layer = np.dstack(colour_layer(heatmap, limit=limit, look=look))
    return from_array(_small(np.round(layer * 255).astype(np.uint8))).uri


def colour_stops(look: Look, count: int = 9) -> list[str]:
    """Colours of the map from the strongest evidence for real to that for fake."""
    colours = cm.cmaps[look.colormap](np.linspace(0, 1, count))[:, :3]
    return [
        "#" + "".join(f"{round(255 * part):02x}" for part in colour)
        for colour in colours
    ]


def _face(face: np.ndarray) -> str:
    """A face (S, S, 3) uint8 in grey, as a data URI."""
    return from_array(_small(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))).uri


def _small(pixels: np.ndarray) -> np.ndarray:
    """Pixels of at most LAYER_SIDE px a side."""
    if len(pixels) <= LAYER_SIDE:
        return pixels
    size = (LAYER_SIDE, LAYER_SIDE)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def outline(mask: np.ndarray) -> str:
    """The border of the part of a mask (S, S) in 0..1 that is at least 0.5.

    As the data of an SVG path in a square of PATH_SIDE; "" if there is no border.
    """
    inside = (mask >= 0.5).astype(np.uint8)
    if inside.all() or not inside.any():
        return ""
    found, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_TC89_L1)
    scale = PATH_SIDE / len(mask)
    lines = []
    for contour in found:
        points = np.round((contour[:, 0] + 0.5) * scale).astype(int)
        lines.append("M" + "L".join(f"{x} {y}" for x, y in points) + "Z")
    return "".join(lines)
