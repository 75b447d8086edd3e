"""The commands of README and docs in a fresh clone, and the results that they claim."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmarks.miniature_difficulty import simple_aucs
from pipeline.config.miniature import MiniatureConfig
from pipeline.config.models import ModelConfig
from pipeline.models.fabric import make_fabric
from pipeline.models.face_crops import FaceCrops
from pipeline.models.inference import predict
from pipeline.models.predictions import per_video
from pipeline.models.pretrained import build_detector
from pipeline.models.training import train
from pipeline.videos.sources.miniature import miniature_pairs
from pipeline.videos.table import SPLITS
from tests.support.documents import blocks, commands
from tests.support.runs import REPOSITORY
from tests.support.servers import FileServer

METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]

# Run by `.ci/run` itself, of which this test is a part.
BY_CI = ("make test", "make check")
# A clone in which `make demo 2>&1 | tee build/demo.log` has run, or "".
DEMO = os.environ.get("DEEPFAKE_ATLAS_DEMO", "")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A fresh clone of what is committed, in which the demo runs, or has run.

    Where `.ci/run` has run the demo in a clone of its own, its results and its
    environment are used here.
    """
    folder = tmp_path_factory.mktemp("clone") / "deepfake-atlas"
    subprocess.run(["git", "clone", "-q", REPOSITORY, folder], check=True)
    if DEMO:
        for name in ("data", "results", ".snakemake"):
            shutil.copytree(Path(DEMO, name), folder / name, symlinks=True)
        (folder / ".venv").symlink_to(Path(DEMO, ".venv"))
    for block in blocks("yaml"):
        name = re.match(r"# (\S+\.yaml)\n", block).group(1)
        (folder / name).write_text(block)
    return folder


def run(clone: Path, command: str) -> str:
    """Run a command as a user types it, once `.venv` is active."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PATH"] = f"{clone / '.venv/bin'}:{environment['PATH']}"
    start = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"{command}: {time.monotonic() - start:.1f} s")
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}"
    return done.stdout


def serve_faceforensics(clone: Path) -> FileServer:
    """Serve the miniature corpus as FaceForensics++, and set the two lines for it.

    The method that the corpus lacks is removed from the configuration.
    """
    splits = clone / "data/FaceForensics++/splits"
    splits.mkdir(parents=True)
    for split, pairs in miniature_pairs(MiniatureConfig()).items():
        (splits / f"{split}.json").write_text(json.dumps(pairs))
    server = FileServer(clone / "data/miniature", "/v3")
    file = clone / "config/faceforensics.yaml"
    text = file.read_text()
    for line, ours in (
        (r"# server: .*# <--", f"server: {server.address}"),
        (r"# agree_to_terms: true .*", "agree_to_terms: true"),
        (r", FaceShifter\]", "]\n    official_splits: false"),
    ):
        text, count = re.subn(line, ours, text, count=1)
        assert count == 1
    file.write_text(text)
    return server


def test_ci_runs_what_the_readme_says():
    script = (REPOSITORY / ".ci/run").read_text()
    assert all(command in script and command in commands() for command in BY_CI)


@pytest.mark.slow(minutes=4)
def test_every_command_in_a_fresh_clone(clone):
    todo = [c for c in commands() if c not in BY_CI]
    assert todo.pop(0) == "make demo"
    log = Path(DEMO, "build/demo.log")
    printed = log.read_text() if DEMO else run(clone, "make demo")
    assert "results/atlases: heatmap atlases" in printed
    server = serve_faceforensics(clone)
    (clone / "data/mine").mkdir()
    (clone / "data/mine/clips.csv").write_text(blocks("csv")[0])
    for command in todo:
        if "ffpp.yaml --cores" in command:
            command += " --dry-run"  # its pre-trained weights are a download
        printed = run(clone, command)
        if command == "snakemake all --cores 8 --resources gpu=1":
            assert "Nothing to be done" in printed
    fetched = clone / "data/FaceForensics++/SHA256SUMS"
    assert len(fetched.read_text().splitlines()) == 670 + 536  # videos and masks
    server.close()


@pytest.mark.slow
def test_the_python_in_it_runs_on_the_demo(clone):
    for block in blocks("python"):
        (clone / "snippet.py").write_text(block)
        assert "/c23/videos/" in run(clone, "python snippet.py")


@pytest.mark.slow
def test_detectors_and_attributions_of_the_demo(clone):
    """Decisions on held-out persons are right, and maps are hotter on the forgery."""
    for model in ("xception", "densenet"):
        table = pd.read_csv(clone / f"results/metrics/{model}/all/videos.csv")
        auc = table[table.metric == "auc"].set_index("method")
        # Good, and not without mistakes: a demo needs both.
        assert 0.85 <= auc["value"]["all"] <= 0.99, auc
        assert auc["value"][METHODS].min() < 0.97, auc
        assert (auc["units"] == MiniatureConfig().test_pairs).all()
        assert (auc["low"] < auc["value"]).all()
        atlases = clone / f"results/atlases/{model}/all"
        for baseline in ("black", "original", "nearest_real"):
            cells = pd.read_csv(atlases / baseline / "cells.csv")
            of_all = cells[cells["outcome"] == "all"]
            share = np.average(of_all["converged_share"], weights=of_all["frames"])
            assert share >= 0.99, (model, baseline, share)
            assert (of_all["largest_map_error"] <= 0.1).mean() > 0.9
            assert (of_all["map_error"] < of_all["median_map_error"]).all()
            assert (of_all["integration_ratio"] > 0).all()
            assert of_all["mean_steps"].mean() < 40
            methods = METHODS if baseline == "original" else [*METHODS, "real"]
            assert set(of_all["method"]) == set(methods)
            check_masks(pd.read_csv(atlases / baseline / "masks.csv"), baseline)
        check_interventions(pd.read_csv(atlases / "interventions.csv"))
    significance = pd.read_csv(clone / "results/atlases/significance.csv")
    near = significance["baseline"] == "nearest_real"
    fakes = significance[near & (significance["comparison"] == "real faces")]
    assert len(fakes) == 2 * len(METHODS)
    assert (fakes["significant_share"] > 0).mean() >= 0.5, fakes
    assert (fakes["significant_share"] < 0.2).all(), fakes


def check_masks(masks: pd.DataFrame, baseline: str) -> None:
    """Maps are hotter on the forgery than an even map, and than |x - baseline|."""
    shown = masks[(masks["outcome"] == "all") & (masks["scale"] == "blur")]
    wanted = (shown["heat"] == "attribution") & (shown["score"] == "lift")
    lifts = shown[wanted].pivot(index="method", columns="truth", values="value")
    assert set(lifts.index) == {"all", *METHODS}
    assert (lifts > 1.1).all(axis=None), lifts
    of_all = shown[(shown["method"] == "all") & (shown["truth"] == "changed pixels")]
    values = of_all.set_index(["heat", "score"])
    above = values.loc[("attribution - |x - baseline|", "lift")]
    assert 0 < above["low"] < above["high"] < 8, above
    if baseline == "original":
        return
    specificity = values["value"].xs("paired_specificity", level="score")
    assert specificity["centre"] == specificity["mean mask"] == 0
    assert abs(specificity["random weights"]) < 0.05
    assert 0 < specificity["attribution"] < 0.3


def check_interventions(table: pd.DataFrame) -> None:
    """The map adds up to the change, and goes with what regions do."""
    values = table[table["method"] == "all"].set_index(["region", "measure"])["value"]
    total = values["all", "change"]
    assert values["all", "map"] == pytest.approx(total, abs=0.1 * abs(total) + 0.05)
    assert 0.7 < values["all", "correlation"] < 1
    assert values["mouth", "removal"] > 0.3
    assert values["mouth", "insertion"] > 0.3


@pytest.mark.slow
def test_originals_of_the_demo_are_aligned(clone):
    table = pd.read_csv(clone / "results/attributions/originals.csv")
    assert set(table["method"]) == set(METHODS)
    assert (table["aligned_share"] > 0.9).all()
    assert (table["offset_0"] >= table["videos"] - 1).all()


@pytest.mark.slow
def test_no_simple_score_tells_the_fakes_of_the_demo(clone):
    videos = pd.read_csv(clone / "results/faces/summary.csv")
    tested = videos[videos["split"] == "test"]
    found = simple_aucs(tested, clone / "data/miniature")
    assert set(found.columns) == {"all", *METHODS}
    assert np.maximum(found, 1 - found).to_numpy().max() <= 0.65, found


def small_model_auc(faces: Path, seed: int, shuffled: bool) -> float:
    """Test AUC over videos of a small network trained on the demo's crops."""
    torch.manual_seed(seed)
    parts = [FaceCrops(sorted(faces.glob(f"*-{s}-*.h5"))) for s in SPLITS]
    data, validation, test = parts
    if shuffled:
        data.shuffle_labels(seed)
        validation.shuffle_labels(seed)
    config = ModelConfig(timm="test_resnet", epochs=3)
    detector = build_detector(config.timm, config.input_size)
    train(make_fabric(config), detector, config, data, validation, seed)
    logits = np.concatenate(list(predict(detector, test, 64)))
    videos = per_video(test.table.assign(logit=logits))
    return roc_auc_score(videos["label"], videos["logit"])


@pytest.mark.slow(minutes=2)
def test_shuffled_labels_teach_nothing(clone):
    """No leak: on shuffled labels the test AUC is 0.5 within its interval.

    One such model is a function of the image that may well say something of forgeries
    by chance, so the interval is over trainings with different shuffles.
    """
    faces = clone / "results/faces"
    assert small_model_auc(faces, seed=0, shuffled=False) > 0.6
    values = [small_model_auc(faces, seed, shuffled=True) for seed in range(8)]
    print(np.round(values, 3), np.mean(values))
    half = stats.t.ppf(0.995, 7) * np.std(values, ddof=1) / np.sqrt(8)
    assert half < 0.15
    assert abs(np.mean(values) - 0.5) < half
