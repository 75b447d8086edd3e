"""The training step as a program: killed, stopped, in processes, with given weights."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from tests.support import forked
from tests.support.runs import REPOSITORY
from tests.support.shards import write_marked_shard

CONFIG = {
    "timm": "test_resnet",
    "input_size": 48,
    "epochs": 40,
    "batch_size": 8,
    "patience": None,
}


def command(folder: Path, changes: dict | None = None, protocol: dict | None = None):
    """The command that trains on two small shards in `folder`.

    The same command resumes a training that was stopped.
    """
    folder.mkdir(exist_ok=True)
    for name in ("train", "val"):
        if not (folder / f"{name}.h5").exists():
            write_marked_shard(folder / f"{name}.h5", videos=16, methods=("A", "B"))
    words = {
        **{name: folder / f"{name}.h5" for name in ("train", "val")},
        "weights": folder / "weights.safetensors",
        "history": folder / "history.csv",
        "state": folder / "state.pt",
        "config": json.dumps(CONFIG | (changes or {})),
        "protocol": json.dumps(protocol or {}),
        "seed": 0,
        "threads": 2,
    }
    arguments = [str(w) for key, value in words.items() for w in (f"--{key}", value)]
    return [sys.executable, "-m", "pipeline.train_model", *arguments]


def run(folder: Path, check: bool = True, **more) -> subprocess.CompletedProcess:
    """Train until the command ends."""
    done = forked.run(
        command(folder, **more), cwd=REPOSITORY, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stderr[-4000:]
    return done


def start(folder: Path, **more) -> forked.Popen:
    """Start training, and wait until it has saved its state after an epoch."""
    state = folder / "state.pt"
    before = state.stat().st_mtime_ns if state.exists() else 0
    process = forked.Popen(
        command(folder, **more),
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not state.exists() or state.stat().st_mtime_ns == before:
        assert process.poll() is None, process.stderr.read()[-4000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def copy_shards(source: Path, folder: Path) -> Path:
    """Copy the shards to a new folder, with the times of the files."""
    folder.mkdir()
    for name in ("train.h5", "val.h5"):
        shutil.copy2(source / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    run(folder)
    return folder


def assert_same(one: Path, two: Path) -> None:
    for name in ("weights.safetensors", "history.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.slow
def test_training_killed_at_five_random_moments_gives_the_same_weights(
    undisturbed, tmp_path
):
    folder = copy_shards(undisturbed, tmp_path / "run")
    moments = random.Random(0)
    epochs = []
    for _ in range(5):
        process = start(folder)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.wait()
        state = torch.load(folder / "state.pt", weights_only=True)
        epochs.append(state["progress"]["epoch"])
        assert not (folder / "weights.safetensors").exists()
    assert epochs == sorted(epochs)
    assert 0 < epochs[0] < epochs[-1] < CONFIG["epochs"]
    run(folder)
    assert_same(folder, undisturbed)
    assert not (folder / "state.pt").exists()


@pytest.mark.slow
def test_training_stopped_by_the_scheduler_resumes(undisturbed, tmp_path):
    folder = copy_shards(undisturbed, tmp_path / "run")
    process = start(folder)
    process.send_signal(signal.SIGTERM)
    printed = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "stopped by SIGTERM in epoch" in printed
    assert "Traceback" not in printed
    assert "going on after" in run(folder).stderr
    assert_same(folder, undisturbed)


def test_two_processes_train_one_model(tmp_path):
    """Each process computes half of a batch, like two GPUs."""
    done = run(tmp_path / "run", changes={"devices": 2, "epochs": 6})
    assert "training on 2 x cpu" in done.stderr
    history = pd.read_csv(tmp_path / "run/history.csv")
    assert len(history) == 6
    assert history["val_video_auc"].iloc[-1] == 1.0
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


@pytest.mark.slow
def test_two_processes_stop_and_resume_together(tmp_path):
    changes = {"devices": 2, "epochs": 12}
    run(tmp_path / "undisturbed", changes=changes)
    folder = copy_shards(tmp_path / "undisturbed", tmp_path / "run")
    process = start(folder, changes=changes)
    process.send_signal(signal.SIGTERM)
    assert "stopped by SIGTERM" in process.communicate(timeout=120)[1]
    run(folder, changes=changes)
    assert_same(folder, tmp_path / "undisturbed")


def test_a_loss_that_is_not_a_number_lists_the_videos_of_its_batch(tmp_path):
    done = run(
        tmp_path / "run",
        check=False,
        changes={
            "learning_rate": 1,
            "optimizer": "sgd",
            "weight_decay": 1,
            "precision": "float32",
            "warmup": 0,
            "timm": "test_vit",
            "input_size": 160,
        },
    )
    assert done.returncode == 1
    assert "is not a finite number: lower this model's learning_rate" in done.stderr
    listed = pd.read_csv(tmp_path / "run/not_a_number.csv")
    assert set(listed["video"]) <= {f"train/v{n}" for n in range(16)}
    assert len(listed)
    assert not (tmp_path / "run/weights.safetensors").exists()


def test_the_weights_record_their_training_data(tmp_path):
    run(tmp_path / "run", changes={"epochs": 1}, protocol={"leave_out": ["B"]})
    from pipeline.models.header import read_header

    provenance = read_header(tmp_path / "run/weights.safetensors")["provenance"]
    assert provenance["methods"] == ["A"]
    assert provenance["compressions"] == ["c23", "c40"]
    counts = [provenance[name] for name in ("videos", "crops", "real_crops")]
    assert counts == [12, 48, 32]
    assert provenance["pretrained"] is None


def two_class_checkpoint(folder: Path) -> tuple[Path, torch.nn.Module]:
    """A detector of another project: two classes (real, fake), other weight names."""
    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=2).eval()
    state = {
        "model." + k.replace("fc.", "last_linear.1."): v
        for k, v in network.state_dict().items()
    }
    torch.save(state, folder / "other.pth")
    return folder / "other.pth", network


def test_a_detector_of_another_project_is_used_without_training(tmp_path):
    file, network = two_class_checkpoint(tmp_path)
    changes = {"pretrained": str(file), "epochs": 0}
    run(tmp_path / "run", changes=changes)
    from pipeline.models.checkpoints import load_detector
    from pipeline.models.header import read_header

    weights = tmp_path / "run/weights.safetensors"
    detector = load_detector(weights, torch.device("cpu"))
    image = torch.rand(3, 3, 48, 48)
    real, fake = network((image - detector.mean) / detector.std).unbind(1)
    assert torch.allclose(detector(image), fake - real, atol=1e-5)
    assert len(pd.read_csv(tmp_path / "run/history.csv")) == 1
    sha256sum = subprocess.check_output(["sha256sum", file], text=True).split()[0]
    assert read_header(weights)["provenance"]["pretrained"]["sha256"] == sha256sum


def test_training_starts_from_given_weights(tmp_path):
    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=10)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    given = {"pretrained": str(tmp_path / "w.safetensors"), "epochs": 1}
    run(tmp_path / "run", changes={**given, "learning_rate": 1e-9, "average": 0})
    trained = load_file(tmp_path / "run/weights.safetensors")
    first = network.state_dict()["conv1.0.weight"]
    assert torch.allclose(trained["conv1.0.weight"], first, atol=1e-5)
