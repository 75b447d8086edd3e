"""Pictures of atlases: with odd names of files and methods, and with few frames."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.atlases.baseline_audit import agreement, audit
from pipeline.atlases.baseline_figure import plot_baselines
from pipeline.atlases.captions import cell_captions
from pipeline.atlases.cluster_figure import plot_clusters
from pipeline.atlases.clusters import (
    cluster_maps,
    cluster_summary,
    cluster_table,
    typical_members,
)
from pipeline.atlases.comparison_figure import plot_differences
from pipeline.atlases.differences import (
    Detector,
    mark_differences,
    model_differences,
    outcome_differences,
)
from pipeline.atlases.figures import (
    plot_atlas,
    plot_gallery,
    plot_ledger,
    plot_statistics,
)
from pipeline.atlases.gallery import pick_examples, read_frames
from pipeline.atlases.ledger import ledger
from pipeline.atlases.overlays import Look, frame_name, hatch_others, hide_axes
from pipeline.atlases.reduction import cell_arrays, sum_shards, with_all_outcomes
from pipeline.atlases.regions import moved_region_grids, region_grid
from pipeline.atlases.tables import cell_table
from pipeline.faces.shards import FaceShard
from pipeline.files.figures import counted, shortened
from pipeline.statistics.resampling import MIN_UNITS
from tests.support.shards import write_faces, write_maps

pytestmark = pytest.mark.filterwarnings("error")

SIZE = 32
METHODS = ["real", "$^$", "{0} <b>&", "a very long name of a method that goes on"]


def video(number: int, method: str) -> dict:
    name = f"cost$_$ {{1}} {number} {'long ' * 20}.mp4"
    return {
        "video": f"d$_$/c23/{method}/sub folder/{name}",
        "dataset": "d$_$",
        "compression": "c23",
        "method": method,
        "target": str(number),
        "source": "",
        "unit": f"d$_$/{number}",
        "second_unit": "",
        "original": "",
        "label": int(method != "real"),
    }


class Reduced:
    """An atlas of `people` persons, and its shards."""

    def __init__(self, folder, people: int, frames: int) -> None:
        rng = np.random.default_rng(0)
        videos = [video(n, method) for n in range(people) for method in METHODS]
        shape = (frames, SIZE, SIZE)
        crops = [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for _ in videos]
        masks = [np.zeros(shape, np.uint8) for _ in videos]
        for mask in masks:
            mask[:, 10:20, 10:20] = 1
        self.faces, self.maps = folder / "f" / "s.h5", folder / "m" / "s.h5"
        write_faces(self.faces, videos, crops, masks)
        with FaceShard(self.faces) as shard:
            table = shard.labelled_frames()
        maps = rng.normal(0, 0.01, (len(table), SIZE, SIZE))
        write_maps(self.maps, table, maps, maps.sum((1, 2)))
        self.regions = region_grid(SIZE, 1.3)
        self.sums = sum_shards(
            [self.maps],
            [self.faces],
            mean_mask=np.full(shape[1:], 0.5),
            threshold=0.0,
            regions=self.regions,
            seed=0,
        )
        self.cells = with_all_outcomes(self.sums.cells)
        self.arrays = cell_arrays(self.cells)
        detector = Detector("m", "all", "m")
        cells = {(detector, "black"): self.arrays}
        self.significance, _ = mark_differences(cells)
        self.table = cell_table(self.sums.frames, self.arrays)
        self.captions = cell_captions(self.table, self.significance)


@pytest.fixture(scope="module", params=[(1, 1), (9, 2)], ids=["one frame", "some"])
def reduced(request, tmp_path_factory):
    return Reduced(tmp_path_factory.mktemp("atlas"), *request.param)


def colours(path, left=0.0) -> int:
    """How many colours a picture has to the right of `left`, a share of its width."""
    picture = np.asarray(Image.open(path).convert("RGB"))
    part = picture[:, int(left * picture.shape[1]) :].reshape(-1, 3)
    return len(np.unique(part, axis=0))


def test_atlas(reduced, tmp_path):
    path = tmp_path / "a.png"
    squares = {(*reduced.arrays[0].slice, "all"): np.zeros((32, 32), bool)}
    words = reduced.captions
    plot_atlas(reduced.arrays, words, squares, title="$title$", look=Look(), path=path)
    assert colours(path) > 100


def test_captions_count_the_maps_that_did_not_converge(reduced):
    frames = reduced.sums.frames.assign(converged=True)
    first = frames["method"] == "real"
    frames.loc[frames[first].index[0], "converged"] = False
    table = cell_table(frames, reduced.arrays)
    words = cell_captions(table, reduced.significance)
    affected = [key for key, text in words.items() if "not converged" in text]
    assert len(affected) == 2  # its own outcome, and all
    assert all(key[2] == "real" for key in affected)
    caption = words["d$_$", "c23", "real", "all"]
    assert "1 not converged" in caption
    assert f"{counted(int(first.sum()), 'frame')}, " in caption


def test_captions_say_if_the_integration_error_is_not_small(reduced):
    errors = {"map_error": 0.04, "integration_ratio": 0.5}
    table = reduced.table.assign(**errors)
    for words in cell_captions(table, reduced.significance).values():
        assert "map error 4.0%, 0.50 of sampling error: NOT SMALL" in words
    table = reduced.table.assign(map_error=np.nan)
    for words in cell_captions(table, reduced.significance).values():
        assert "map error unknown" in words


def test_captions_say_how_much_of_a_fakes_picture_is_significant(reduced):
    fakes = reduced.significance["comparison"] == "real faces"
    rows = reduced.significance[fakes].reset_index(drop=True)
    assert set(rows["method"]) == set(METHODS) - {"real"}
    shares = [np.nan, 0.0, 0.25]
    values = pd.Series(shares)[rows.index % 3].to_numpy()
    rows = rows.assign(significant_share=values, significant_logits=-0.5)
    texts = {
        np.nan: "not tested",
        0.0: "no square is significant",
        0.25: "significant: 25.0% of squares, -0.50 logits",
    }
    words = cell_captions(reduced.table, rows)
    for row in rows.itertuples():
        text = words[row.dataset, row.compression, row.method, row.outcome]
        share = np.nan if np.isnan(row.significant_share) else row.significant_share
        for other, expected in zip(shares, texts.values(), strict=True):
            is_own = share == other or (np.isnan(share) and np.isnan(other))
            assert (expected in text) == is_own
    for key, text in words.items():
        named = "significant" in text or "not tested" in text
        assert named == (key[2] != "real" and key[3] == "all")


def test_cells_of_fewer_than_five_units_are_not_drawn(reduced, tmp_path):
    words = reduced.captions
    row = [c for c in reduced.arrays if c.slice == reduced.arrays[0].slice]
    few, enough = ([replace(cell, units=n) for cell in row] for n in (4, 5))
    for name, cells in (("few", few), ("enough", enough)):
        path = tmp_path / f"{name}.png"
        plot_atlas(cells, words, {}, title="t", look=Look(), path=path)
    # Grey text and the colour bars, against faces and heatmaps.
    assert colours(tmp_path / "few.png") < colours(tmp_path / "enough.png") / 2


def test_what_is_not_significant_is_hatched():
    """Everything if nothing is significant, and nothing if everything is."""

    def dark(squares: np.ndarray) -> np.ndarray:
        figure, axes = plt.subplots(figsize=(2, 2))
        axes.set_position([0, 0, 1, 1])
        hide_axes(axes)
        axes.imshow(np.full((64, 64, 3), 255, np.uint8))
        hatch_others(axes, squares, 64)
        figure.canvas.draw()
        picture = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        plt.close(figure)
        return picture.min(-1) < 250

    left = np.tile(np.arange(8) < 4, (8, 1))
    assert not dark(np.ones((8, 8), bool)).any()
    everywhere = dark(np.zeros((8, 8), bool))
    half = dark(left)
    middle = half.shape[1] // 2
    assert everywhere[:, : middle - 5].any()
    assert not half[:, : middle - 5].any()
    assert half[:, middle + 5 :].any()


def test_without_a_change_of_the_logit_there_is_no_explained_share(reduced):
    unchanged = reduced.sums.frames.assign(logit=1.0, baseline_logit=1.0)
    assert cell_table(unchanged, [])["explained_share"].isna().all()
    moved = unchanged.assign(logit=2.0, attribution_sum=0.9, lost=0.0)
    assert cell_table(moved, [])["explained_share"].to_numpy() == pytest.approx(0.9)


def test_statistics_of_one_frame_show_its_absolute_map(reduced, tmp_path):
    path = tmp_path / "s.png"
    plot_statistics(reduced.arrays, title="$title$", look=Look(), path=path)
    # The right half has the absolute maps, also of one frame, and their scale.
    assert colours(path, 0.5) > 300


def test_ledger(reduced, tmp_path):
    moved = moved_region_grids(SIZE, 1.3)
    table = ledger(reduced.cells, reduced.regions, moved)
    known = table["units"] >= MIN_UNITS
    assert table.loc[~known, ["low", "high"]].isna().all(axis=None)
    assert table.loc[known, ["low", "high"]].notna().all(axis=None)
    plot_ledger(table, title="$title$", look=Look(), path=tmp_path / "l.png")
    assert colours(tmp_path / "l.png") > 20


def test_gallery(reduced, tmp_path):
    frames = reduced.sums.frames
    similarity = pd.Series(1.0, index=frames.index)
    examples = {
        name: read_frames(rows, [reduced.maps], [reduced.faces])
        for name, rows in pick_examples(frames, similarity, 3).items()
    }
    plot_gallery(examples, title="$title$", look=Look(), path=tmp_path / "g.png")
    assert colours(tmp_path / "g.png") > 100


def test_differences(reduced, tmp_path):
    names = ("one$_$", "$^$")
    cells = {Detector(name, "all", name): reduced.arrays for name in names}
    found = [one for *_, one in model_differences(cells)]
    drawn = {"title": "$title$", "look": Look()}
    plot_differences(found, 2.0, **drawn, path=tmp_path / "d.png")
    assert colours(tmp_path / "d.png") > 100
    outcomes = outcome_differences(reduced.arrays)
    plot_differences(outcomes, 2.0, **drawn, path=tmp_path / "o.png")
    assert (colours(tmp_path / "o.png") > 400) == bool(outcomes)


def test_baselines(reduced, tmp_path):
    """The first baseline, as `original`, has no real frames."""
    names = ["original", "noise"]
    frames = dict.fromkeys(names, reduced.sums.frames)
    frames["original"] = frames["original"].query("label == 1")
    arrays = {
        "original": [cell for cell in reduced.arrays if cell.label == 1],
        "noise": reduced.arrays,
    }
    samples = dict.fromkeys(names, (reduced.sums.sample, reduced.sums.sampled))
    assert set(audit(frames, 0.0)["baseline"]) == set(names)
    plot_baselines(
        arrays,
        frames,
        agreement(samples),
        threshold=0.0,
        joint_threshold=2.0,
        title="$title$",
        look=Look(),
        path=tmp_path / "b.png",
    )
    assert colours(tmp_path / "b.png") > 100


def test_clusters(reduced, tmp_path):
    maps, rows = reduced.sums.sample, reduced.sums.sampled
    clusters = cluster_maps(maps, 0)
    names = tuple("ABCDEFGH")
    plot_clusters(
        clusters,
        maps,
        rows,
        table=cluster_table(clusters, rows, resamples=20, seed=0),
        summary=cluster_summary(
            clusters, rows, maps, regions=reduced.regions, names=names
        ),
        crops={n: np.full((SIZE, SIZE, 3), 99, np.uint8) for n in range(len(maps))},
        typical=typical_members(clusters, maps, rows, count=4),
        title="$title$",
        look=Look(),
        path=tmp_path / "c.png",
    )
    assert colours(tmp_path / "c.png") > 100


def test_a_name_is_shortened_only_if_it_is_too_long():
    row = pd.Series(
        {"method": "NeuralTextures", "video": "d/c23/NeuralTextures/046_047"}
    )
    assert frame_name(row) == "NeuralTextures 046_047"
    both = frame_name(pd.Series(video(1, METHODS[3])))
    assert both == "a very long … cost$_$ {1}…"


def test_shortened_and_counted():
    assert shortened("a name", 6) == "a name"
    assert shortened("a longer name", 6) == "a lon…"
    assert [counted(n, "frame") for n in (1, 2)] == ["1 frame", "2 frames"]
