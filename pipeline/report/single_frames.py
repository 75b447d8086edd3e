"""The single frames that the page shows: those of the galleries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.atlases.gallery import (
    Frame,
    mean_similarity,
    pick_examples,
    read_frames,
)
from pipeline.atlases.overlays import Look, shared_limit
from pipeline.attributions.shards import AttributionShard
from pipeline.files.tables import read_csv
from pipeline.report.atlas_cells import heatmap_uri, outline
from pipeline.report.pictures import from_array
from pipeline.report.tables import Row, Tables, value_of
from pipeline.report.values import Value

CARD_SIDE = 96  # px
NUMBERS = {"logit": "+.2f", "margin": ".2f", "map_error": ".1%"}


@dataclass(frozen=True)
class FrameView:
    """A frame as the page shows it.

    Attributes:
        kind: which example it is.
        video: its video.
        numbers: of its row in `frames.csv`.
        called: what the detector calls it: real or fake.
        face, heatmap: data URIs.
        note: what is wrong with the map; "" if nothing is.
        outline: the line around the mask, as the data of an SVG path.
    """

    kind: str
    video: Value
    numbers: Mapping[str, Value]
    called: str
    face: str
    heatmap: str
    note: str
    outline: str

    @property
    def text(self) -> str:
        """What the pictures show, in words."""
        return (
            f"Face and attribution map of {self.video}: {self.kind}; logit "
            f"{self.numbers['logit']}, {self.numbers['margin']} from the threshold"
        )


def frame_views(
    tables: Tables, place: Mapping[str, str], *, count: int, look: Look
) -> Iterator[FrameView]:
    """The frames of an atlas' gallery; none if a file that it needs is not there."""
    name = "atlases/{model}/{protocol}/{baseline}".format(**place)
    folder = tables.results / name
    texts = tables.read(f"{name}/frames.csv")
    needed = ("frames.csv", "sample.h5", "arrays.h5")
    if texts is None or not all((folder / file).is_file() for file in needed):
        return
    frames = read_csv(folder / "frames.csv")
    similarity = mean_similarity(folder / "sample.h5", folder / "arrays.h5")
    shards = sorted(frames["shard"].unique())
    attributions = _files(tables.results / "attributions", place, shards)
    faces = [tables.results / "faces" / f"{shard}.h5" for shard in shards]
    if not all(file.is_file() for file in (*attributions, *faces)):
        return
    if not _are_current(frames, attributions):
        return
    chosen = pick_examples(frames, similarity, count)
    if not chosen:
        return
    every = pd.concat(chosen.values())
    waiting = iter(read_frames(every, attributions, faces))
    for title, rows in chosen.items():
        found = [next(waiting) for _ in range(len(rows))]
        limit = shared_limit([frame.heatmap for frame in found])
        for index, frame in zip(rows.index, found, strict=True):
            row = texts.iloc[index].to_dict()
            yield _view(title, frame, row, f"{name}/frames.csv", limit, look)


def _files(root: Path, place: Mapping[str, str], shards: Sequence[str]) -> list[Path]:
    folder = root / place["model"] / place["protocol"] / place["baseline"]
    return [folder / f"{shard}.h5" for shard in shards]


def _are_current(frames: pd.DataFrame, attributions: Sequence[Path]) -> bool:
    """Whether attribution shards hold the frames of the table at their places.

    A run that failed may have new shards beside tables of an earlier one.
    """
    for file in attributions:
        own = frames[frames["shard"] == file.stem]
        with AttributionShard(file) as shard:
            held = shard.frames
        if own["place"].max() >= len(held):
            return False
        if list(held["video"].iloc[own["place"]]) != list(own["video"]):
            return False
    return True


def _view(
    title: str, frame: Frame, row: Row, file: str, limit: float, look: Look
) -> FrameView:
    side = len(frame.crop)
    step = max(1, side // CARD_SIDE)
    kinds = ("real", "fake") if row["label"] == "0" else ("fake", "real")
    _, _, example = title.replace("\n", " ").partition(":")
    return FrameView(
        kind=f"{kinds[0]}, {example.strip()}",
        video=value_of(row, file, "video"),
        numbers={name: value_of(row, file, name, NUMBERS[name]) for name in NUMBERS},
        called=kinds[row["outcome"] == "wrong"],
        face=from_array(frame.crop[::step, ::step].copy()).uri,
        heatmap=heatmap_uri(frame.heatmap, limit, look),
        note="" if row["converged"] == "True" else "The map missed a tolerance.",
        outline=outline(frame.mask),
    )
