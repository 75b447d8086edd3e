"""Runs that train nothing: finished detectors, and clips without labels."""

import shutil

import pandas as pd
import pytest

from pipeline.attributions.shards import AttributionShard
from tests.support.runs import ONE_MODEL, Run

# The test videos of the reference run, so that their face shards are up to date.
TESTED = {**ONE_MODEL["sources"]["miniature"], "use": "test"}


@pytest.mark.slow
def test_a_finished_detector_gives_the_predictions_of_the_run_that_trained_it(
    finished, tmp_path
):
    """Unlabelled clips beside the others get predictions and maps, and no metrics."""
    run = finished.copy(tmp_path / "run")
    results = run.folder / "results"
    shutil.copy(results / "models/small/all/weights.safetensors", run.folder / "w.st")
    videos = run.folder / "data/miniature/original_sequences/youtube/c23/videos"
    (run.folder / "clips").mkdir()
    shutil.copy(videos / "000.mp4", run.folder / "clips/a b.mp4")
    loose = {"root": "clips", "shards": {"test": 1}}
    sources = {"miniature": TESTED, "folders": {"loose": loose}}
    base = {**ONE_MODEL, "sources": sources, "models": {"given": {"weights": "w.st"}}}
    run.configure(base=base)
    maps = "results/attributions/given/finished/black/loose-test-000.h5"
    printed = run.snakemake("metrics", maps)
    assert "rule train_model" not in printed
    assert "rule collect_references" not in printed
    assert printed.count("rule extract_faces:") == 1

    given, trained = (results / f"metrics/{d}" for d in ("given/finished", "small/all"))
    for shard in ("miniature-test-000", "miniature-test-001"):
        file = f"predictions/{shard}.csv"
        assert (given / file).read_bytes() == (trained / file).read_bytes()
    by_video = pd.read_csv(given / "predictions/videos.csv").set_index("dataset")
    assert by_video.loc["loose", "label"] == -1
    assert 0 < by_video.loc["loose", "probability"] < 1
    # Only AUCs can be compared, since the threshold is another one.
    auc, expected = (
        pd.read_csv(folder / "videos.csv").query("metric == 'auc'")
        for folder in (given, trained)
    )
    columns = ["dataset", "method", "value", "low", "high", "real", "fake"]
    assert auc[columns].equals(expected[columns])
    points = pd.read_csv(given / "operating_point.csv")
    assert points["chosen_on"].tolist() == ["default"] * 2
    card = (results / "models/given/finished/card.md").read_text()
    assert "The detector is the file `w.st`" in card
    assert (
        "| given | test_resnet | miniature |"
        in (results / "metrics/overview.md").read_text()
    )
    with AttributionShard(run.folder / maps) as shard:
        assert set(shard.frames["label"]) == {-1}
    shutil.copy(results / "models/other/all/weights.safetensors", run.folder / "w.st")
    stale = run.stale()
    assert "predict_frames given finished miniature-test-000" in stale
    assert not any("extract_faces" in job or "train_model" in job for job in stale)


def test_unlabelled_clips_with_models_to_train_have_faces_alone(tmp_path):
    run = Run(tmp_path / "run")
    clips = run.folder / "clips"
    clips.mkdir(parents=True)
    (clips / "a.mp4").touch()
    run.configure({"sources": {"folders": {"mine": {"root": "clips"}}}}, base={})
    printed = run.snakemake("faces", "--dry-run")
    assert "mine-train" not in printed
    for target in ("all", "results/models/xception/all/weights.safetensors"):
        printed = run.snakemake(target, check=False)
        assert run.code != 0
        assert "xception, densenet must be trained (train_model)" in printed
        assert "the split 'train' has no real and no fake video" in printed
        assert not (run.folder / "results/logs").exists()
