"""Several data sets in one run: the same clips, by each data set's own names."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import ONE_MODEL, Run

pytestmark = pytest.mark.slow

REALS = ("004", "005")  # of the test split
FAKES = ("004_005", "005_004")
ODD = 'it\'s "odd"; $(touch x) *?[a]~ ümläut & b.mp4'


def clip(data: Path, name: str) -> Path:
    method = "manipulated_sequences/Deepfakes" if "_" in name else "original_sequences"
    folder = method if "_" in name else f"{method}/youtube"
    return data / folder / "c23/videos" / f"{name}.mp4"


def celebdf(data: Path, root: Path) -> dict[str, str]:
    """Lays the test clips out as Celeb-DF has them; each clip by its path there."""
    names = {
        "Celeb-real/id4_0000.mp4": REALS[0],
        "YouTube-real/00005.mp4": REALS[1],
        "Celeb-synthesis/id4_id5_0000.mp4": FAKES[0],
        "Celeb-synthesis/id5_id4_0000.mp4": FAKES[1],
    }
    lines = [f"{int(path[0] != 'C' or 'real' in path)} {path}" for path in names]
    copy(data, root, names)
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines))
    return names


def dfdc(data: Path, root: Path) -> dict[str, str]:
    names = {
        "dfdc_train_part_0/aaaa.mp4": REALS[0],
        "dfdc_train_part_0/bbbb.mp4": REALS[1],
        "dfdc_train_part_1/cccc.mp4": FAKES[0],
        "dfdc_train_part_1/dddd.mp4": FAKES[1],
    }
    copy(data, root, names)
    for part in (0, 1):
        folder = root / f"dfdc_train_part_{part}"
        about = {"label": "FAKE" if part else "REAL", "split": "train"}
        about |= {"original": "aaaa.mp4"} if part else {}
        clips = {path.name: about for path in folder.glob("*.mp4")}
        (folder / "metadata.json").write_text(json.dumps(clips))
    return names


def deepfakedetection(data: Path, root: Path) -> dict[str, str]:
    fakes = "manipulated_sequences/DeepFakeDetection"
    names = {
        "original_sequences/actors/c23/videos/24__talking.mp4": REALS[0],
        "original_sequences/actors/c23/videos/25__talking.mp4": REALS[1],
        f"{fakes}/c23/videos/24_25__talking__ABCD1234.mp4": FAKES[0],
        f"{fakes}/c23/videos/25_24__talking__ABCD1235.mp4": FAKES[1],
    }
    copy(data, root, names)
    folder = data / "manipulated_sequences/Deepfakes/masks/videos"
    (root / fakes / "masks/videos").mkdir(parents=True)
    for path, name in [*names.items()][2:]:
        mask = root / path.replace("c23", "masks")
        shutil.copy(folder / f"{name}.mp4", mask)
    return names


def own(data: Path, root: Path) -> dict[str, str]:
    names = {
        f"a b/{ODD}": REALS[0],
        "real.mp4": REALS[1],
        f"-rf/{ODD}": FAKES[0],
        "#fake?.mp4": FAKES[1],
    }
    copy(data, root, names)
    table = pd.DataFrame({"path": [*names], "label": ["real", "real", "fake", "fake"]})
    table.to_csv(root / "clips.csv", index=False)
    return names


def copy(data: Path, root: Path, names: dict[str, str]) -> None:
    for path, name in names.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip(data, name), root / path)


LAYOUTS = {
    "celebdf": celebdf,
    "dfdc": dfdc,
    "deepfakedetection": deepfakedetection,
    "mine": own,
}


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
        for file in (results / "predictions/small/all").glob("miniature-test-*.csv")
    )
    stem = first["target"] + ("_" + first["source"]).where(first["label"] == 1, "")
    kept = first["method"].isin(["real", "Deepfakes"])
    expected = first[kept].assign(stem=stem[kept]).groupby("stem")["logit"].apply(list)
    for dataset, clips in names.items():
        listed = pd.read_csv(results / f"videos/{dataset}-test-000.csv")
        file = results / f"predictions/small/all/{dataset}-test-000.csv"
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
    assert (rows.loc[[*names], ["real", "fake", "targets"]].min() >= 1).all()
    drawn = rows.loc[("miniature", "Deepfakes"), "value"]
    for method in (
        ("celebdf", "Celeb-synthesis"),
        ("dfdc", "DFDC"),
        ("deepfakedetection", "DeepFakeDetection"),
        ("mine", "fake"),
    ):
        assert rows.loc[method, "value"] == drawn
