"""Crops of different face detectors are not mixed; errors name files and detectors."""

import pytest
import torch

from pipeline.faces.detection.calibration import CALIBRATIONS, face_detector_entry
from pipeline.faces.shards import any_landmarks, common_face_detector, face_detector_of
from pipeline.models.checkpoints import save_detector
from pipeline.models.face_crops import FaceCrops
from pipeline.models.face_detectors import check_face_detector
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from pipeline.runtime.errors import StepError
from tests.support.shards import write_marked_shard

HAAR, CENTERFACE = face_detector_entry("haar"), face_detector_entry("centerface")


def shard(folder, name, face_detector):
    path = folder / f"{name}.h5"
    return write_marked_shard(path, 2, provenance={"face_detector": face_detector})


def weights(folder, face_detector):
    spec = NetworkSpec("none", 48, (0.5,) * 3, (0.5,) * 3)
    path = folder / "weights.safetensors"
    detector = ForgeryDetector(torch.nn.Linear(1, 1), spec)
    save_detector(detector, path, {"face_detector": face_detector})
    return path


def test_an_entry_has_the_calibration():
    for name, calibration in CALIBRATIONS.items():
        entry = {"name": name, **vars(calibration)}
        assert face_detector_entry(name) == entry


def test_shards_of_one_face_detector_are_used_together(tmp_path):
    shards = [shard(tmp_path, name, HAAR) for name in ("one", "two")]
    assert common_face_detector(shards) == FaceCrops(shards).face_detector == HAAR


def test_shards_of_two_face_detectors_are_refused(tmp_path):
    shards = [shard(tmp_path, "one", HAAR), shard(tmp_path, "two", CENTERFACE)]
    with pytest.raises(
        StepError, match=r"two.h5.*with centerface.*one.h5 with haar.*faces.detector"
    ):
        FaceCrops(shards)


def test_a_shard_without_an_entry_is_refused(tmp_path):
    path = write_marked_shard(tmp_path / "old.h5", 2, provenance={})
    with pytest.raises(StepError, match=r"old.h5.*delete it and run"):
        face_detector_of(path)


@pytest.mark.parametrize(
    ("trained", "found", "remedy"),
    [
        (HAAR, CENTERFACE, "Set faces.detector to haar, or train"),
        (CENTERFACE, CENTERFACE | {"scale": 0.7}, "calibrations differ: train the"),
    ],
)
def test_a_model_refuses_crops_of_another_face_detector(
    tmp_path, trained, found, remedy
):
    file = weights(tmp_path, trained)
    with pytest.raises(StepError, match=f"crops.h5.*{file.name}.*{remedy}"):
        check_face_detector(file, tmp_path / "crops.h5", found)


def test_a_model_accepts_crops_of_its_own_face_detector(tmp_path):
    check_face_detector(weights(tmp_path, HAAR), tmp_path / "crops.h5", HAAR)


def test_a_model_that_was_not_trained_here_accepts_any_crops(tmp_path):
    check_face_detector(weights(tmp_path, None), tmp_path / "crops.h5", HAAR)


def test_shards_without_landmarks_are_known(tmp_path):
    import h5py

    paths = [shard(tmp_path, name, HAAR) for name in ("one", "two")]
    for path in paths:
        with h5py.File(path, "r+") as file:
            file["frames/alignment"][:] = float("nan")
    assert not any_landmarks(paths)
    with h5py.File(paths[1], "r+") as file:
        file["frames/alignment"][2] = 1.0
    assert any_landmarks(paths)
