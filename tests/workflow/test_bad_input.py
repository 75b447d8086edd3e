"""Bad input: configuration faults stop before any job, video faults become rows."""

import numpy as np
import pandas as pd
import pytest

from pipeline.videos.miniature.corpus import write_video
from tests.support.disks import SmallDisk, needs_mount
from tests.support.runs import ONE_MODEL, Run


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"faces": {"frame": 3}}, "faces.frame = 3: unknown key; did you mean frames?"),
        (
            {"faces": {"frames": "many"}},
            "faces.frames = 'many': Input should be a valid",
        ),
        ({"models": {"x": {"timm": "resnet19"}}}, "timm has no model of this name"),
        (
            {"sources": {"miniature": {"methods": ["Deepfake"]}}},
            "sources.miniature.methods.0 = 'Deepfake': Input should be 'Deepfakes'",
        ),
    ],
)
def test_config_faults_stop_before_any_job(tmp_path, fault, message):
    run = Run(tmp_path / "run").configure(fault)
    printed = run.snakemake("all", check=False)
    assert run.code != 0
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "run/data").exists()
    assert not (tmp_path / "run/results/logs").exists()


def test_empty_split_stops_before_any_job(tmp_path):
    for split, text in (
        ("train", '[["000", "001"]]'),
        ("val", '[["002", "003"]]'),
        ("test", "[]"),
    ):
        (tmp_path / f"{split}.json").write_text(text)
    folder = {"root": str(tmp_path), "splits": str(tmp_path), "official_splits": False}
    source = {"miniature": None, "faceforensics": folder}
    run = Run(tmp_path / "run").configure({"sources": source})
    printed = run.snakemake("all", check=False)
    assert run.code != 0
    assert "faceforensics has no test video" in printed
    assert "the split 'test' has no real and no fake video" in printed


@pytest.mark.slow(minutes=1)
def test_video_faults_become_rows_and_the_run_goes_on(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    tables = sorted((run.folder / "results/videos").glob("miniature-test-*.csv"))
    table = pd.concat([pd.read_csv(t, keep_default_na=False) for t in tables])
    fakes = table[table["label"] == 1].sort_values("video")["path"].tolist()
    root = run.folder / "data/miniature"
    zero, text, cut, faceless = (root / name for name in fakes[:4])
    zero.write_bytes(b"")
    text.write_text("no video\n" * 100)
    cut.write_bytes(cut.read_bytes()[:2000])
    noise = np.random.default_rng(0).integers(90, 110, (6, 240, 320, 3), np.uint8)
    write_video(faceless, list(noise), 23)
    run.configure({"faces": {"max_failed": 0.9, "frames": 7}}, ONE_MODEL)
    run.snakemake("all")
    summary = pd.read_csv(
        run.folder / "results/faces/summary.csv", keep_default_na=False
    ).set_index("path")
    expected = dict(
        zip(fakes, ["empty", "unreadable", "unreadable", "no_face"], strict=False)
    )
    for name, status in expected.items():
        assert summary["status"][name] == status
        assert len(summary["reason"][name]) > 10
        assert summary["crops"][name] == 0
    # Videos of 6 frames of which 7 are asked for give what they have, and say so.
    few = summary[summary["total_frames"].between(1, 6) & (summary["crops"] > 0)]
    assert len(few)
    assert (few["status"] == "short").all()
    assert few["reason"].str.contains("fewer than the 7 asked for").all()
    videos = pd.read_csv(
        run.folder / "results/metrics/small/all/predictions/videos.csv"
    )
    assert len(videos) == len(table) - 4


def test_too_many_failed_videos_fail_the_step_with_their_names(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    table = pd.read_csv(run.folder / "results/videos/miniature-test-000.csv")
    for name in table["path"]:
        (run.folder / "data/miniature" / name).write_bytes(b"")
    printed = run.snakemake("faces", check=False)
    assert run.code != 0
    assert "videos failed, more than the share 0.2 that faces.max_failed" in printed
    assert all(name in printed for name in table["path"])
    assert not (run.folder / "results/faces/miniature-test-000.h5").exists()


def test_results_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = Run(tmp_path / "run").configure({"results": str(tmp_path / "file/results")})
    printed = run.snakemake("all", check=False)
    assert run.code != 0
    assert "cannot be written to (Not a directory)" in printed
    assert "set `results` to another folder" in printed


@needs_mount
def test_read_only_results_folder(tmp_path):
    run = Run(tmp_path / "run").configure()
    with SmallDisk(run.folder / "results") as disk:
        disk.mount("ro,size=1m")
        printed = run.snakemake("all", check=False)
    assert run.code != 0
    assert "cannot be written to (Read-only file system)" in printed
