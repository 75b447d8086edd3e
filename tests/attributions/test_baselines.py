"""Baselines: what attributions start from."""

import numpy as np
import pandas as pd
import pytest

from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.frames import frame_keys
from pipeline.attributions.reference_faces import write_references
from pipeline.attributions.references import References, looks
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.shards import FaceShard

KEYS = ["a 0 3", "b 0 5"]


def crops(count=2, size=24, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def made(*arguments) -> np.ndarray:
    """(N, D, S, S, 3)."""
    return np.stack(list(make_baselines(*arguments)))


@pytest.fixture(scope="module")
def references(finished, tmp_path_factory):
    """Those of a small run's training faces."""
    path = tmp_path_factory.mktemp("references") / "all.h5"
    shards = sorted(finished.folder.glob("results/faces/*-train-*.h5"))
    write_references(path, shards, ProtocolConfig(), {})
    with References(path) as found:
        yield found


@pytest.mark.parametrize(("kind", "value"), [("black", 0), ("grey", 0.5), ("white", 1)])
def test_even_baselines_are_that_colour(kind, value, references):
    found = made(kind, crops(), KEYS, references)
    assert found.shape == (2, 1, *crops()[0].shape)
    assert found.dtype == np.float32
    assert (found == value).all()


def test_blurred_is_smoother_with_the_same_mean(references):
    found = made("blurred", crops(), KEYS, references)[:, 0]
    images = crops() / 255
    assert found.std() < 0.2 * images.std()
    assert found.mean() == pytest.approx(images.mean(), abs=0.02)


def test_noise_hangs_on_the_frame_and_the_seed_alone(references):
    def noise(keys, seed=0):
        return made("noise", crops(len(keys)), keys, references, None, 3, seed)

    found = noise(KEYS)
    assert found.shape == (2, 3, *crops()[0].shape)
    assert found.mean() == pytest.approx(0.5, abs=0.02)
    assert found.std() == pytest.approx(12**-0.5, abs=0.02)
    assert np.array_equal(noise(KEYS[::-1])[::-1], found)
    assert np.array_equal(noise(KEYS[1:]), found[1:])
    assert not np.array_equal(noise(KEYS, seed=1), found)
    assert not np.array_equal(found[:, 0], found[:, 1])


def test_references_are_real_training_faces(finished, references):
    shards = sorted(finished.folder.glob("results/faces/*-train-*.h5"))
    real, masks = [], []
    for path in shards:
        with FaceShard(path) as shard:
            labels = shard.labelled_frames()["label"].to_numpy()
            real.append(shard.crops[:][labels == 0])
            masks.append(shard.masks[:][labels == 1])
    # Few frames a video here, so that all are taken.
    assert np.allclose(references.mean_face, np.concatenate(real).mean(0), atol=1e-3)
    assert np.allclose(references.mean_mask, np.concatenate(masks).mean(0), atol=1e-6)
    nearest = references.nearest(np.concatenate(real))
    assert np.array_equal(nearest, np.concatenate(real))  # each is its own
    mean = made("mean_face", nearest, ["k"] * len(nearest), references)
    assert np.allclose(mean[0, 0] * 255, references.mean_face, atol=1e-3)


def test_real_face_is_the_original_or_the_nearest(references):
    of_size = references.nearest(np.zeros((1, 48, 48, 3), np.uint8))
    pictures = crops(2, 48)
    aligned = np.stack([pictures[1], np.zeros_like(pictures[1])])
    found = made("real_face", pictures, KEYS, references, aligned)[:, 0]
    assert np.allclose(found[0] * 255, aligned[0], atol=1e-3)
    assert np.allclose(found[1] * 255, references.nearest(pictures[1:])[0], atol=1e-3)
    assert of_size.shape == (1, 48, 48, 3)


def test_looks_are_of_the_whole_crop():
    even = np.full((1, 96, 96, 3), 7, np.uint8)
    assert (looks(even) == 7).all()
    assert looks(even).shape == (1, 768)


def test_keys_tell_frames_apart():
    table = pd.DataFrame({"video": ["v", "v", "w"], "subject": 0, "number": [1, 2, 1]})
    assert len(set(frame_keys(table))) == 3
