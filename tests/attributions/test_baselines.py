"""Baselines: the images that integration paths start at."""

import numpy as np
import pandas as pd
import pytest

from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.frames import frame_keys
from pipeline.attributions.real_faces import RealFaces, looks, write_real_faces
from pipeline.attributions.reference_faces import write_references
from pipeline.attributions.references import References
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.shards import FaceShard
from tests.support.shards import row, write_faces

KEYS = ["a 0 3", "b 0 5"]


def crops(count=2, size=24, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def made(kind, pictures, keys, **options) -> np.ndarray:
    """The baselines of `make_baselines` in one array, (N, D, S, S, 3)."""
    return np.stack(list(make_baselines(kind, pictures, keys, **options)))


@pytest.fixture(scope="module")
def references(finished, tmp_path_factory):
    """The references of a small run."""
    path = tmp_path_factory.mktemp("references") / "all.h5"
    shards = sorted(finished.folder.glob("results/faces/*-train-*.h5"))
    write_references(path, shards, ProtocolConfig(), provenance={})
    with References(path) as found:
        yield found


@pytest.mark.parametrize(("kind", "value"), [("black", 0), ("grey", 0.5), ("white", 1)])
def test_black_grey_and_white_are_constant(kind, value):
    found = made(kind, crops(), KEYS)
    assert found.shape == (2, 1, *crops()[0].shape)
    assert found.dtype == np.float32
    assert (found == value).all()


def test_blurred_is_smoother_with_the_same_mean():
    found = made("blurred", crops(), KEYS)[:, 0]
    images = crops() / 255
    assert found.std() < 0.2 * images.std()
    assert found.mean() == pytest.approx(images.mean(), abs=0.02)


def test_noise_depends_only_on_the_frame_and_the_seed():
    def noise(keys, seed=0):
        pictures = crops(len(keys))
        return made("noise", pictures, keys, draws=3, seed=seed)

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


def test_a_baseline_of_a_face_is_that_face():
    pictures, faces = crops(), crops(seed=1)
    for kind in ("mean_face", "original", "nearest_real"):
        found = made(kind, pictures, KEYS, faces=faces)[:, 0]
        assert np.allclose(found * 255, faces, atol=1e-3)


@pytest.fixture(scope="module")
def real_faces(tmp_path_factory):
    """Real faces of two data sets, one of them in two compressions; and all crops."""
    path, shards, pictures = tmp_path_factory.mktemp("real"), [], {}
    for dataset, compression in (("one", "c23"), ("one", "c40"), ("two", "c23")):
        videos = [
            row(n, method, dataset) | {"compression": compression}
            for n in range(3)
            for method in ("real", "A")
        ]
        for n, video in enumerate(videos):
            video["video"] = f"{dataset}/{compression}/{n}"
            pictures[video["video"]] = crops(2, 24, len(pictures))
        shards.append(path / f"{dataset}-{compression}-val-000.h5")
        faces = [pictures[video["video"]] for video in videos]
        masks = [np.zeros((2, 24, 24), np.uint8)] * len(videos)
        write_faces(shards[-1], videos, faces, masks)
    write_real_faces(path / "r.h5", shards)
    with RealFaces(path / "r.h5") as found:
        yield found, pictures


def test_the_nearest_real_face_is_of_the_same_data_set_and_compression(real_faces):
    """Even if a face of another one is equal to the crop."""
    found, pictures = real_faces
    assert len(found.frames) == 18  # no fake
    equal = pictures["one/c23/0"]
    for dataset, compression in (("one", "c23"), ("one", "c40"), ("two", "c23")):
        rows = pd.DataFrame({"dataset": [dataset] * 2, "compression": compression})
        places = found.nearest(equal, rows)
        of_set = found.frames.iloc[places]
        assert set(of_set["dataset"] + of_set["compression"]) == {dataset + compression}
        if (dataset, compression) == ("one", "c23"):
            assert np.array_equal(found.crops_of(places), equal)


@pytest.mark.parametrize(
    ("dataset", "compression", "expected"),
    [("two", "c40", ("two", "c23")), ("three", "c40", ("one", "c40"))],
)
def test_without_faces_of_the_test_set_a_similar_set_is_taken(
    real_faces, dataset, compression, expected
):
    found, pictures = real_faces
    rows = pd.DataFrame({"dataset": [dataset], "compression": compression})
    (place,) = found.nearest(pictures["one/c23/0"][:1], rows)
    assert tuple(found.frames.loc[place, ["dataset", "compression"]]) == expected
    rows = pd.DataFrame({"dataset": ["three"], "compression": "raw"})
    (place,) = found.nearest(pictures["one/c23/0"][:1], rows)
    assert found.frames.loc[place, "video"] == "one/c23/0"


def test_looks_are_small_copies_of_crops():
    constant = np.full((1, 96, 96, 3), 7, np.uint8)
    assert (looks(constant) == 7).all()
    assert looks(constant).shape == (1, 768)


def test_frames_have_different_keys():
    table = pd.DataFrame({"video": ["v", "v", "w"], "subject": 0, "number": [1, 2, 1]})
    assert len(set(frame_keys(table))) == 3
