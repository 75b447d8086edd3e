"""Face shards: what is written is read back, and partial files never look finished."""

import numpy as np
import pytest

from pipeline.config.faces import FacesConfig
from pipeline.detection.haar import HaarDetector
from pipeline.errors import StepError
from pipeline.face_shards import FaceShard, mark, writing_faces
from pipeline.faces import extract_video

CONFIG = FacesConfig(frames=4, size=64)


def test_shard_reads_back_what_was_written(corpus, tmp_path):
    video = corpus / "original_sequences/youtube/c23/videos/001.mp4"
    faces = extract_video(video, None, HaarDetector(0.15), CONFIG)
    bad = extract_video(tmp_path / "none.mp4", None, HaarDetector(0.15), CONFIG)
    columns = {"video": str, "label": int}
    with writing_faces(tmp_path / "s.h5", 64, {"why": "test"}, columns) as shard:
        shard.add({"video": "gone", "label": 1}, bad)
        shard.add({"video": "there", "label": 0}, faces)
        assert not (tmp_path / "s.h5").exists()  # not under its name before it is done
    with FaceShard(tmp_path / "s.h5") as shard:
        assert np.array_equal(shard.crops[:], faces.crops)
        assert shard.videos["status"].tolist() == ["missing", "ok"]
        assert shard.videos["crops"].tolist() == [0, 4]
        assert shard.labelled_frames()["video"].tolist() == ["there"] * 4
        assert np.array_equal(shard.frames["number"], faces.frames["number"])


def test_an_unfinished_shard_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_faces(tmp_path / "s.h5", 64, {}, {}):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_old_version_is_refused_with_a_remedy(tmp_path):
    import h5py

    with h5py.File(tmp_path / "s.h5", "w") as file:
        mark(file, "deepfake-atlas faces", 0, {})
    with pytest.raises(StepError, match=r"version 0.*delete it and run"):
        FaceShard(tmp_path / "s.h5")
