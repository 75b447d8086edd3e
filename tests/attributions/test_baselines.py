"""Baselines: the images that integration paths start at."""

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


def made(kind, pictures, keys, references, **options) -> np.ndarray:
    """The baselines of `make_baselines` in one array, (N, D, S, S, 3)."""
    found = make_baselines(kind, pictures, keys, references=references, **options)
    return np.stack(list(found))


@pytest.fixture(scope="module")
def references(finished, tmp_path_factory):
    """The references of a small run."""
    path = tmp_path_factory.mktemp("references") / "all.h5"
    shards = sorted(finished.folder.glob("results/faces/*-train-*.h5"))
    write_references(path, shards, ProtocolConfig(), provenance={})
    with References(path) as found:
        yield found


@pytest.mark.parametrize(("kind", "value"), [("black", 0), ("grey", 0.5), ("white", 1)])
def test_black_grey_and_white_are_constant(kind, value, references):
    found = made(kind, crops(), KEYS, references)
    assert found.shape == (2, 1, *crops()[0].shape)
    assert found.dtype == np.float32
    assert (found == value).all()


def test_blurred_is_smoother_with_the_same_mean(references):
    found = made("blurred", crops(), KEYS, references)[:, 0]
    images = crops() / 255
    assert found.std() < 0.2 * images.std()
    assert found.mean() == pytest.approx(images.mean(), abs=0.02)


def test_noise_depends_only_on_the_frame_and_the_seed(references):
    def noise(keys, seed=0):
        pictures = crops(len(keys))
        return made("noise", pictures, keys, references, draws=3, seed=seed)

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
    # Videos have so few frames here that all are used.
    assert np.allclose(references.mean_face, np.concatenate(real).mean(0), atol=1e-3)
    assert np.allclose(references.mean_mask, np.concatenate(masks).mean(0), atol=1e-6)
    nearest = references.nearest(np.concatenate(real))
    assert np.array_equal(nearest, np.concatenate(real))  # each is nearest to itself
    mean = made("mean_face", nearest, ["k"] * len(nearest), references)
    assert np.allclose(mean[0, 0] * 255, references.mean_face, atol=1e-3)


def test_real_face_is_the_original_or_the_nearest_training_face(references):
    nearest = references.nearest(np.zeros((1, 48, 48, 3), np.uint8))
    pictures = crops(2, 48)
    aligned = np.stack([pictures[1], np.zeros_like(pictures[1])])
    found = made("real_face", pictures, KEYS, references, originals=aligned)[:, 0]
    assert np.allclose(found[0] * 255, aligned[0], atol=1e-3)
    assert np.allclose(found[1] * 255, references.nearest(pictures[1:])[0], atol=1e-3)
    assert nearest.shape == (1, 48, 48, 3)


def test_looks_are_small_copies_of_crops():
    constant = np.full((1, 96, 96, 3), 7, np.uint8)
    assert (looks(constant) == 7).all()
    assert looks(constant).shape == (1, 768)


def test_frames_have_different_keys():
    table = pd.DataFrame({"video": ["v", "v", "w"], "subject": 0, "number": [1, 2, 1]})
    assert len(set(frame_keys(table))) == 3
