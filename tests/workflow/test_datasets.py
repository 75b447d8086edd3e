"""Several data sets in one run: the same clips, by each data set's own names."""

import pandas as pd
import pytest

from tests.support.data_sets import LAYOUTS
from tests.support.runs import ONE_MODEL, Run

pytestmark = pytest.mark.slow(minutes=1)


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory) -> tuple[Run, dict[str, dict[str, str]]]:
    """The finished run, to which four data sets are added that are only tested on."""
    run = finished.copy(tmp_path_factory.mktemp("datasets") / "run")
    data = run.folder / "data/miniature"
    names = {
        name: lay_out(data, run.folder / "data" / name)
        for name, lay_out in LAYOUTS.items()
    }
    shards = {"test": 1}
    folder = {"root": "data/mine", "table": "data/mine/clips.csv", "use": "test"}
    sources = {
        **ONE_MODEL["sources"],
        "celebdf": {"root": "data/celebdf", "shards": shards},
        "dfdc": {"root": "data/dfdc", "shards": shards},
        "deepfakedetection": {
            "root": "data/deepfakedetection",
            "use": "test",
            "shards": shards,
        },
        "folders": {"mine": {**folder, "shards": shards}},
    }
    run.configure({"sources": sources}, ONE_MODEL)
    return run, names


def test_added_test_sets_train_nothing_and_touch_no_shard_of_the_first(run):
    stale = run[0].stale()
    assert not any("train_model" in job for job in stale)
    shards = {job for job in stale if job.startswith("extract_faces")}
    assert shards == {f"extract_faces {name}-test-000" for name in LAYOUTS}


def test_the_same_clips_get_the_same_logits_by_any_name(run):
    run, names = run
    run.snakemake("all")
    assert "Nothing to be done" in run.snakemake("all")
    assert not (run.folder / "x").exists()
    results = run.folder / "results"
    first = pd.concat(
        pd.read_csv(file, dtype={"target": str, "source": str})
        for file in (results / "metrics/small/all/predictions").glob(
            "miniature-test-*.csv"
        )
    )
    stem = first["target"] + ("_" + first["source"]).where(first["label"] == 1, "")
    kept = first["method"].isin(["real", "Deepfakes"])
    expected = first[kept].assign(stem=stem[kept]).groupby("stem")["logit"].apply(list)
    for dataset, clips in names.items():
        listed = pd.read_csv(results / f"videos/{dataset}-test-000.csv")
        file = results / f"metrics/small/all/predictions/{dataset}-test-000.csv"
        logits = pd.read_csv(file).groupby("video")["logit"].apply(list)
        assert len(listed) == len(logits) == 4
        for video, path in zip(listed["video"], listed["path"], strict=True):
            assert logits[video] == pytest.approx(expected[clips[path]], abs=1e-4)


def test_each_data_set_has_rows_of_its_own(run):
    run, names = run
    table = pd.read_csv(run.folder / "results/metrics/videos.csv")
    table = table[(table["model"] == "small") & (table["metric"] == "auc")]
    assert set(table["dataset"]) == {"all", "miniature", *names}
    rows = table[table["method"] != "all"].set_index(["dataset", "method"])
    assert (rows.loc[[*names], ["real", "fake", "units"]].min() >= 1).all()
    drawn = rows.loc[("miniature", "Deepfakes"), "value"]
    for method in (
        ("celebdf", "Celeb-synthesis"),
        ("dfdc", "DFDC"),
        ("deepfakedetection", "DeepFakeDetection"),
        ("mine", "fake"),
    ):
        assert rows.loc[method, "value"] == drawn
