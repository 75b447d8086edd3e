"""Training: it learns, repeats itself, and its weights load anywhere."""

import json
import pickle

import numpy as np
import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline import training
from pipeline.config.models import ModelConfig
from pipeline.errors import StepError
from pipeline.face_shards import VideoFaces, writing_faces
from pipeline.networks import build_detector, load_detector, save_detector
from pipeline.training import FaceCrops, augment, check_classes, train
from pipeline.weights import read_weights

CONFIG = ModelConfig(timm="test_resnet", input_size=48, epochs=3, batch_size=8)


def write_shard(path, videos=8, marked=True):
    """Noise, with a bright square on the fakes: easy to tell apart."""
    rng = np.random.default_rng(0)
    columns = {"video": str, "label": int, "method": str}
    with writing_faces(path, 48, {}, columns) as shard:
        for index in range(videos):
            label = index % 2
            crops = rng.integers(60, 120, (4, 48, 48, 3), np.uint8)
            if label and marked:
                crops[:, 10:30, 10:30] += 100
            frames = {
                "subject": np.zeros(4),
                "number": np.arange(4),
                "timestamp": np.arange(4.0),
                "box": np.zeros((4, 4)),
                "face": np.zeros((4, 4)),
                "landmarks": np.zeros((4, 5, 2)),
                "alignment": np.zeros((4, 2, 3)),
                "score": np.zeros(4),
                "interpolated": np.zeros(4, bool),
            }
            row = {
                "video": f"v{index}",
                "label": label,
                "method": "A" if label else "real",
            }
            masks = np.zeros((4, 48, 48), np.uint8)
            shard.add(row, VideoFaces("ok", crops=crops, masks=masks, frames=frames))
    return path


def trained(data, validation, seed=0, config=CONFIG):
    torch.manual_seed(seed)
    detector = build_detector(config.timm, config.input_size, config.pretrained)
    return detector, train(detector, config, data, validation, seed, 0)


def test_learns_what_can_be_learnt(tmp_path):
    data = FaceCrops([write_shard(tmp_path / "a.h5"), write_shard(tmp_path / "b.h5")])
    config = CONFIG.model_copy(update={"epochs": 12, "learning_rate": 0.01})
    _, history = trained(data, data, config=config)
    assert history["val_video_auc"].max() == 1.0
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]


def test_the_same_seed_gives_the_same_weights(tmp_path):
    data = FaceCrops([write_shard(tmp_path / "a.h5")])
    (one, first), (two, second), (other, _) = (
        trained(data, data, s) for s in (0, 0, 1)
    )
    assert first.equals(second)
    same = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    different = zip(one.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in different)


def test_the_best_epoch_is_kept(tmp_path, monkeypatch):
    """Here the second of three: its weights are the model's, not the last ones."""
    data = FaceCrops([write_shard(tmp_path / "a.h5")])
    seen = []

    def validate(detector, *_):
        seen.append([p.detach().clone() for p in detector.parameters()])
        auc = [0.6, 0.9, 0.7][len(seen) - 1]
        return {"val_loss": 1.0, "val_frame_auc": auc, "val_video_auc": auc}

    monkeypatch.setattr(training, "validate", validate)
    detector, _ = trained(data, data)
    kept = list(detector.parameters())
    assert all(torch.equal(a, b) for a, b in zip(kept, seen[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept, seen[2], strict=True))


def test_training_that_runs_away_is_told(tmp_path, monkeypatch):
    data = FaceCrops([write_shard(tmp_path / "a.h5")])
    monkeypatch.setattr(training, "augment", lambda images, _: images * float("nan"))
    with pytest.raises(StepError, match="no number: lower this model's learning_rate"):
        trained(data, data)


def test_empty_shards_do_no_harm(tmp_path):
    full, empty = (
        write_shard(tmp_path / "a.h5"),
        write_shard(tmp_path / "b.h5", videos=0),
    )
    _, one = trained(FaceCrops([full]), FaceCrops([full]))
    _, two = trained(FaceCrops([empty, full]), FaceCrops([full, empty]))
    assert one.equals(two)


def test_shuffled_labels_say_nothing_of_the_true_ones(tmp_path):
    data = FaceCrops([write_shard(tmp_path / "a.h5", videos=40)])
    true = data.labels.copy()
    data.shuffle_labels(0)
    assert sorted(data.labels) == sorted(true)
    assert np.corrcoef(data.labels, true)[0, 1] == pytest.approx(0)
    assert (data.table.groupby("video")["label"].nunique() == 1).all()
    first = data.labels.copy()
    data.shuffle_labels(1)
    assert (data.labels != first).any()


def test_augmentation_keeps_pixels_in_range_and_repeats():
    images = torch.rand(6, 3, 20, 20)
    one, two = (augment(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.min() >= 0
    assert one.max() <= 1
    assert not torch.equal(one, images)


def test_weights_repeat_and_load_without_this_project(tmp_path):
    torch.manual_seed(0)
    detector = build_detector("test_resnet", 48, False).eval()
    save_detector(detector, tmp_path / "w.safetensors", {"seed": 0})
    save_detector(detector, tmp_path / "again.safetensors", {"seed": 0})
    written = [(tmp_path / f"{n}.safetensors").read_bytes() for n in ("w", "again")]
    assert written[0] == written[1]
    image = torch.rand(2, 3, 48, 48)
    expected = detector(image)
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        header = json.loads(file.metadata()["deepfake-atlas"])
    network = timm.create_model(header["timm"], num_classes=1).eval()
    network.load_state_dict(load_file(tmp_path / "w.safetensors"))
    mean, std = (torch.tensor(header[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    assert torch.allclose(network((image - mean) / std)[:, 0], expected, atol=1e-6)
    loaded = load_detector(tmp_path / "w.safetensors", torch.device("cpu"))
    assert torch.allclose(loaded(image), expected, atol=1e-5)


def test_weights_given_as_a_file_are_used(tmp_path):
    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=1000)
    save_file(network.state_dict(), tmp_path / "imagenet.safetensors")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "imagenet.pth")
    for name in ("imagenet.safetensors", "imagenet.pth"):
        built = build_detector("test_resnet", 48, str(tmp_path / name)).network
        assert torch.equal(built.conv1[0].weight, network.conv1[0].weight)
    with pytest.raises(StepError, match="does not fit this network"):
        build_detector("resnet18", 48, str(tmp_path / "imagenet.pth"))


class Evil:
    def __reduce__(self):
        import os

        return (os.system, ("touch /tmp/deepfake-atlas-was-here",))


def test_pickled_code_is_refused(tmp_path):
    torch.save({"weights": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "evil2.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(StepError, match="refused"):
            read_weights(tmp_path / name)


def test_a_split_without_fakes_is_an_error(tmp_path):
    data = FaceCrops([write_shard(tmp_path / "a.h5")])
    data.labels[:] = 0
    with pytest.raises(StepError, match=r"train split has no fake face.*summary\.csv"):
        check_classes(data, "train")
