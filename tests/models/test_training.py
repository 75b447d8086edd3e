"""Training: learning, repeatability, resuming, and files of weights."""

import io
import json
import os
import pickle
import signal

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from pipeline.config.models import AugmentConfig, ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.files.weights import read_weights
from pipeline.models import training
from pipeline.models.augmentation import augment, jpeg_qualities
from pipeline.models.checkpoints import load_detector, save_detector
from pipeline.models.epoch_order import balanced_order
from pipeline.models.fabric import make_fabric
from pipeline.models.face_crops import FaceCrops, check_classes
from pipeline.models.learner import prepare
from pipeline.models.networks import ForgeryDetector
from pipeline.models.pretrained import build_detector
from pipeline.models.training import NotANumber, train
from pipeline.models.validation import mean_auc
from pipeline.runtime.errors import StepError
from pipeline.train_model import explain_failures
from tests.support.shards import write_marked_shard

CONFIG = ModelConfig(
    timm="test_resnet", input_size=48, epochs=3, batch_size=8, average=0.5
)


def trained(data, validation, seed=0, config=CONFIG, **more):
    torch.manual_seed(seed)
    detector = build_detector(config.timm, config.input_size, config.pretrained)
    fabric = make_fabric(config)
    return detector, train(fabric, detector, config, data, validation, seed, **more)


def same_weights(one, two):
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_training_learns_a_simple_mark(tmp_path):
    data = FaceCrops(
        [write_marked_shard(tmp_path / "a.h5"), write_marked_shard(tmp_path / "b.h5")]
    )
    config = CONFIG.model_copy(update={"epochs": 12, "learning_rate": 0.01})
    _, history = trained(data, data, config=config)
    assert history["val_video_auc"].max() == 1.0
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]


def test_overfits_sixteen_images_to_zero_loss(tmp_path):
    """The crops are noise: the network can only memorise them."""
    data = FaceCrops(
        [write_marked_shard(tmp_path / "a.h5", videos=16, frames=1, marked=False)]
    )
    changes = {"augment": None, "epochs": 60, "batch_size": 16, "patience": None}
    config = CONFIG.model_copy(update=changes | {"learning_rate": 0.01})
    _, history = trained(data, data, config=config)
    assert history["train_loss"].iloc[-1] < 0.01
    assert history["val_loss"].min() < 0.01


def test_same_seed_gives_same_weights(tmp_path):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    (one, first), (two, second), (other, _) = (
        trained(data, data, s) for s in (0, 0, 1)
    )
    assert first.equals(second)
    assert same_weights(one, two)
    assert not same_weights(one, other)


def test_mixed_precision_does_not_round_the_input(tmp_path, monkeypatch):
    seen = []
    forward = ForgeryDetector.forward

    def watched(self, images):
        seen.append(images)
        return forward(self, images)

    monkeypatch.setattr(ForgeryDetector, "forward", watched)
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    changes = {"precision": "bfloat16", "augment": None, "epochs": 1, "input_size": 40}
    trained(data, data, config=CONFIG.model_copy(update=changes))
    levels = 255 * seen[0].double()
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_readers_do_not_change_the_weights(tmp_path):
    data = FaceCrops(
        [write_marked_shard(tmp_path / "a.h5"), write_marked_shard(tmp_path / "b.h5")]
    )
    (one, _), (two, _) = (trained(data, data, readers=n) for n in (0, 2))
    assert same_weights(one, two)


def test_accumulated_parts_equal_one_batch(tmp_path):
    """Without batch statistics, augmentation and rounding, both are the same."""
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    changes = {"timm": "test_vit", "input_size": 160, "augment": None, "epochs": 1}
    changes |= {"precision": "float32", "optimizer": "sgd"}
    config = CONFIG.model_copy(update=changes)
    parts = config.model_copy(update={"accumulate": 4})
    (one, _), (two, _) = (trained(data, data, config=c) for c in (config, parts))
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


def test_weights_of_the_best_epoch_are_kept(tmp_path, monkeypatch):
    """The second of three epochs is the best one."""
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    seen = []

    def validate(_fabric, detector, *_):
        seen.append([p.detach().clone() for p in detector.parameters()])
        auc = [0.6, 0.9, 0.7][len(seen) - 1]
        return {"val_loss": 1.0, "val_frame_auc": auc, "val_video_auc": auc}

    monkeypatch.setattr(training, "validate", validate)
    detector, _ = trained(data, data)
    kept = list(detector.parameters())
    assert all(torch.equal(a, b) for a, b in zip(kept, seen[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept, seen[2], strict=True))


def test_training_stops_early(tmp_path, monkeypatch):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    scores = {"val_loss": 1.0, "val_frame_auc": 0.5, "val_video_auc": 0.5}
    monkeypatch.setattr(training, "validate", lambda *_: scores)
    config = CONFIG.model_copy(update={"epochs": 20, "patience": 2})
    _, history = trained(data, data, config=config)
    assert len(history) == 3  # the first was the best


def test_learning_rate_rises_then_falls(tmp_path):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    config = CONFIG.model_copy(
        update={"epochs": 10, "warmup": 0.3, "patience": None, "learning_rate": 0.01}
    )
    rates = trained(data, data, config=config)[1]["learning_rate"].to_numpy()
    assert np.all(np.diff(rates[:3]) > 0)
    assert np.all(np.diff(rates[3:]) < 0)
    assert rates.max() == pytest.approx(0.01, rel=0.05)
    assert 0 < rates[-1] < 0.001


def test_weight_decay_excludes_norms_and_biases():
    detector = build_detector("test_resnet", 48)
    config = CONFIG.model_copy(update={"weight_decay": 0.1})
    learner = prepare(make_fabric(config), detector, config, 8, 0)
    decays = {g["weight_decay"]: g["params"] for g in learner.optimizer.param_groups}
    assert set(decays) == {0.0, 0.1}
    assert all(p.ndim <= 1 for p in decays[0.0])
    assert all(p.ndim > 1 for p in decays[0.1])


def test_moving_average_of_the_weights_is_kept(tmp_path, monkeypatch):
    """Computed from the weights after each step; its decay increases at first."""
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    steps = []
    take = training.take_step

    def watched(learner, *arguments):
        losses = take(learner, *arguments)
        steps.append([p.detach().clone() for p in learner.detector.parameters()])
        return losses

    monkeypatch.setattr(training, "take_step", watched)
    config = CONFIG.model_copy(update={"epochs": 1, "average": 0.4})
    kept, _ = trained(data, data, config=config)
    expected = steps[0]
    for number, weights in enumerate(steps[1:], 2):
        decay = min(0.4, 1 - number ** (-2 / 3))
        expected = [
            decay * old + (1 - decay) * new
            for old, new in zip(expected, weights, strict=True)
        ]
    pairs = list(zip(kept.parameters(), expected, strict=True))
    assert len(steps) == 4
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
    assert not all(torch.equal(a, b) for a, b in zip(steps[-1], expected, strict=True))


class Interrupt(Exception):
    pass


def interrupt_after(monkeypatch, steps, how):
    """Call `how()` in the step after `steps` steps."""
    take, count = training.take_step, []

    def dying(*arguments):
        count.append(1)
        if len(count) > steps:
            how()
        return take(*arguments)

    monkeypatch.setattr(training, "take_step", dying)


def crash():
    raise Interrupt


@pytest.mark.parametrize("steps", [1, 4, 6, 9, 11])
def test_killed_and_resumed_training_ends_with_the_same_weights(
    tmp_path, monkeypatch, steps
):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])  # 4 steps an epoch
    expected, history = trained(data, data)
    state = {"state_file": tmp_path / "state.pt", "fingerprint": "f"}
    with monkeypatch.context() as patch:
        interrupt_after(patch, steps, crash)
        with pytest.raises(Interrupt):
            trained(data, data, **state)
    assert (tmp_path / "state.pt").exists() == (steps >= 4)
    resumed, again = trained(data, data, **state)
    assert same_weights(expected, resumed)
    assert history.equals(again)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_saves_the_state_within_an_epoch(tmp_path, monkeypatch, number):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    expected, history = trained(data, data)
    state = {"state_file": tmp_path / "state.pt", "fingerprint": "f"}
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5, lambda: os.kill(os.getpid(), number))
        with pytest.raises(
            StepError, match=r"epoch 2 after 2 of 4 steps; run the same"
        ):
            trained(data, data, **state)
    taken = []
    take = training.take_step
    monkeypatch.setattr(
        training, "take_step", lambda *a: taken.append(a[2]) or take(*a)
    )
    resumed, again = trained(data, data, **state)
    assert taken == list(range(6, 12))
    assert same_weights(expected, resumed)
    assert history.equals(again)


def test_state_of_another_training_is_ignored(tmp_path, caplog):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    expected, _ = trained(data, data)
    state = tmp_path / "state.pt"
    trained(data, data, seed=3, state_file=state, fingerprint="other")
    resumed, _ = trained(data, data, state_file=state, fingerprint="this")
    assert same_weights(expected, resumed)
    state.write_bytes(pickle.dumps(Evil()))
    resumed, _ = trained(data, data, state_file=state, fingerprint="this")
    assert same_weights(expected, resumed)
    assert "cannot be read" in caplog.text


def test_loss_that_is_not_a_number_names_the_videos(tmp_path, monkeypatch):
    shards = [write_marked_shard(tmp_path / f"{n}.h5") for n in "ab"]
    data = FaceCrops(shards)
    bad = data.table["video"].eq("b/v2").to_numpy()
    read = FaceCrops.__getitems__

    def spoilt(self, wanted):
        crops, labels = read(self, wanted)
        spoilt = torch.from_numpy(bad[[row for row, _ in wanted]])
        return crops, torch.where(spoilt, torch.nan, labels)

    monkeypatch.setattr(FaceCrops, "__getitems__", spoilt)
    with pytest.raises(NotANumber, match="lower this model's learning_rate") as error:
        trained(data, data)
    assert "b/v2" in error.value.videos
    assert len(error.value.videos) <= CONFIG.batch_size


def test_empty_shards_do_not_change_the_training(tmp_path):
    full, empty = (
        write_marked_shard(tmp_path / "a.h5"),
        write_marked_shard(tmp_path / "b.h5", videos=0),
    )
    _, one = trained(FaceCrops([full]), FaceCrops([full]))
    _, two = trained(FaceCrops([empty, full]), FaceCrops([full, empty]))
    assert one.equals(two)


def test_batches_are_balanced_between_real_and_each_method(tmp_path):
    shard = write_marked_shard(
        tmp_path / "a.h5", videos=40, methods=("A", "A", "A", "B")
    )
    table = FaceCrops([shard]).table
    table = table.assign(compression="c23")
    order = balanced_order(table, 160, seed=0)
    drawn = table.iloc[order]
    assert drawn["method"].value_counts().to_dict() == {"real": 80, "A": 40, "B": 40}
    times = np.bincount(order, minlength=len(table))[table["method"] == "real"]
    assert set(times) == {1}  # each crop once before any is repeated
    assert not np.array_equal(order, balanced_order(table, 160, seed=1))
    assert len(balanced_order(table, 3, seed=0)) == 3
    for batch in np.split(order, 10):  # of 16 crops: 8 real, 4 of A, 4 of B
        counts = table.iloc[batch]["method"].value_counts()
        assert abs(counts["real"] - 8) <= 1
        assert abs(counts["A"] - 4) <= 2


def test_protocol_chooses_the_training_crops(tmp_path):
    shard = write_marked_shard(tmp_path / "a.h5", videos=16, methods=("A", "B"))
    for protocol, methods, kinds in (
        (ProtocolConfig(), {"real", "A", "B"}, {"c23", "c40"}),
        (ProtocolConfig(methods=["A"]), {"real", "A"}, {"c23", "c40"}),
        (ProtocolConfig(leave_out=["A"]), {"real", "B"}, {"c23", "c40"}),
        (ProtocolConfig(compressions=["c23"]), {"real", "A", "B"}, {"c23"}),
        (ProtocolConfig(datasets=["d"]), {"real", "A", "B"}, {"c23", "c40"}),
        (ProtocolConfig(datasets=["other"]), set(), set()),
    ):
        crops = FaceCrops([shard], protocol)
        assert set(crops.table["method"]) == methods
        assert set(crops.table["compression"]) == kinds
        whole = FaceCrops([shard])
        if not methods:
            continue
        first = crops.table.index[0]
        place = (whole.table["row"] == crops.table["row"][first]).to_numpy().argmax()
        read = crops.__getitems__([(first, 0)])[0]
        assert torch.equal(read, whole.__getitems__([(int(place), 0)])[0])


def test_shuffled_labels_do_not_correlate_with_the_true_ones(tmp_path):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5", videos=40)])
    true = data.labels.copy()
    data.shuffle_labels(0)
    assert sorted(data.labels) == sorted(true)
    assert np.corrcoef(data.labels, true)[0, 1] == pytest.approx(0)
    assert (data.table.groupby("video")["label"].nunique() == 1).all()
    first = data.labels.copy()
    data.shuffle_labels(1)
    assert (data.labels != first).any()


NONE = dict.fromkeys(AugmentConfig.model_fields, 0.0)


@pytest.mark.parametrize("name", [*sorted({*NONE} - {"jpeg"}), "all"])
def test_each_augmentation_keeps_the_range_and_is_repeatable(name):
    config = AugmentConfig(
        **dict.fromkeys(NONE, 1.0) if name == "all" else NONE | {name: 1.0}
    )
    images = torch.rand(6, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    one, two = (
        augment(images, config, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(images, before)
    assert torch.equal(one, two)
    assert one.min() >= 0
    assert one.max() <= 1
    changed = (one != images).flatten(1).any(1)
    assert changed.sum() >= 5  # a random shift may be zero


def test_augmentation_with_zero_shares_changes_nothing():
    images = torch.rand(6, 3, 40, 40)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(augment(images, AugmentConfig(**NONE), generator), images)
    assert not jpeg_qualities(100, None, generator).any()
    assert not jpeg_qualities(100, AugmentConfig(**NONE), generator).any()


def test_jpeg_compression_agrees_with_pillow(tmp_path):
    crops = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    (plain,), (spoilt,) = (crops.__getitems__([(3, q)])[0].numpy() for q in (0, 50))
    coded = io.BytesIO()
    Image.fromarray(plain).save(coded, "JPEG", quality=50)
    expected = np.asarray(Image.open(coded))
    assert np.abs(spoilt.astype(int) - plain).mean() > 3
    assert np.abs(spoilt.astype(int) - expected).mean() < 1.5


def test_weights_are_repeatable_and_load_without_this_project(tmp_path):
    torch.manual_seed(0)
    detector = build_detector("test_resnet", 48).eval()
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


def test_weights_from_a_file_are_used(tmp_path):
    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=1000)
    save_file(network.state_dict(), tmp_path / "imagenet.safetensors")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "imagenet.pth")
    for name in ("imagenet.safetensors", "imagenet.pth"):
        built = build_detector("test_resnet", 48, str(tmp_path / name)).network
        assert torch.equal(built.conv1[0].weight, network.conv1[0].weight)
    with pytest.raises(StepError, match="does not fit this network"):
        build_detector("resnet18", 48, str(tmp_path / "imagenet.pth"))


def test_weights_of_another_input_size_are_resampled(tmp_path):
    """Compared with timm: the shape of position embeddings depends on the size."""
    torch.manual_seed(1)
    network = timm.create_model("test_vit", num_classes=10)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    file = str(tmp_path / "w.safetensors")
    built = build_detector("test_vit", 96, file).network
    overlay = {"file": file, "num_classes": 10}
    expected = timm.create_model(
        "test_vit", pretrained=True, pretrained_cfg_overlay=overlay, img_size=96
    )
    assert torch.equal(built.pos_embed, expected.pos_embed)
    assert torch.equal(
        built.blocks[0].attn.qkv.weight, network.blocks[0].attn.qkv.weight
    )


def test_prefixes_are_removed_only_if_more_names_match(tmp_path):
    network = timm.create_model("test_resnet", num_classes=1)
    state, file = network.state_dict(), str(tmp_path / "w.pth")
    for prefix in ("", "module.model.", "backbone."):
        named = {prefix + k: v for k, v in state.items()}
        torch.save({"epoch": 3, **named}, file)
        built = build_detector("test_resnet", 48, file, with_head=True).network
        assert torch.equal(built.fc.weight, network.fc.weight)
    old = {k: v for k, v in state.items() if "num_batches_tracked" not in k}
    torch.save(old, file)
    build_detector("test_resnet", 48, file, with_head=True)


def test_weights_without_a_suitable_head_need_training(tmp_path):
    network = timm.create_model("test_resnet", num_classes=1000)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    file = str(tmp_path / "w.safetensors")
    build_detector("test_resnet", 48, file)
    with pytest.raises(StepError, match="has no head that tells fake from real"):
        build_detector("test_resnet", 48, file, with_head=True)


class Evil:
    def __reduce__(self):
        import os

        return (os.system, ("touch /tmp/deepfake-atlas-was-here",))


def test_pickled_code_is_an_error(tmp_path):
    torch.save({"weights": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "evil2.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(StepError, match="refused"):
            read_weights(tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(StepError, match="holds no tensors by name"):
        read_weights(tmp_path / "empty.pth")


def test_split_without_fakes_is_an_error(tmp_path):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    data.table["label"] = 0
    with pytest.raises(StepError, match=r"train split has no fake face.*faces/\*\.png"):
        check_classes(data, "train")


def test_full_gpu_memory_and_invalid_losses_have_helpful_errors(tmp_path):
    fabric, weights = make_fabric(ModelConfig(timm="resnet18")), tmp_path / "w"
    with (
        pytest.raises(StepError, match=r"/w: .*memory .*`accumulate`.*`batch_size`"),
        explain_failures(fabric, weights, tmp_path / "note.csv"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with (
        pytest.raises(StepError, match=r"/w: loss; see .*note\.csv"),
        explain_failures(fabric, weights, tmp_path / "note.csv"),
    ):
        raise NotANumber("loss", ["a/b.mp4"])
    assert (tmp_path / "note.csv").read_text() == "video\na/b.mp4\n"


def test_each_data_set_is_balanced_by_itself():
    """Otherwise recognising the data set would tell how likely a crop is fake."""
    sets = {
        ("one", "c23"): (60, 240),
        ("one", "c40"): (60, 60),
        ("two", "c23"): (30, 9),
    }
    rows = [
        (*names, label, f"{'real' if label == 0 else 'AB'[n % 2]}")
        for names, counts in sets.items()
        for label, count in enumerate(counts)
        for n in range(count)
    ]
    table = pd.DataFrame(rows, columns=["dataset", "compression", "label", "method"])
    drawn = table.iloc[balanced_order(table, 600, seed=0)]
    for names, part in drawn.groupby(["dataset", "compression"]):
        assert part["label"].mean() == pytest.approx(0.5, abs=0.01), names
        assert (part["method"] == "A").mean() == pytest.approx(0.25, abs=0.01), names
        assert len(part) == pytest.approx(600 * sets[names][0] / 150, abs=4)


def test_the_validation_auc_is_the_mean_within_data_sets():
    """Both data sets are told apart perfectly, but no fake is."""
    rng = np.random.default_rng(0)
    parts = []
    for dataset, share, place in (("one", 0.9, 5.0), ("two", 0.1, -5.0)):
        labels = (np.arange(400) < 400 * share).astype(int)
        part = pd.DataFrame({"label": labels, "logit": rng.normal(place, 1, 400)})
        parts.append(part.assign(dataset=dataset, compression="c23"))
    items = pd.concat(parts)
    assert roc_auc_score(items["label"], items["logit"]) > 0.85
    assert mean_auc(items) == pytest.approx(0.5, abs=0.06)


def test_a_data_set_of_one_kind_is_not_trained_on(tmp_path):
    data = FaceCrops([write_marked_shard(tmp_path / "a.h5")])
    data.table.loc[data.table["label"] == 1, "dataset"] = "other"
    with pytest.raises(StepError, match=r"train split of d \(c23\) has no fake face"):
        check_classes(data, "train")
    check_classes(data, "val")
