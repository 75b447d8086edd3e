"""Face shards are read back as they were written; partial files look incomplete."""

import numpy as np
import pytest

from pipeline.config.faces import FacesConfig
from pipeline.faces.contact_sheet import contact_sheet
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.extraction import MaskVideos, extract_video
from pipeline.faces.shards import FaceShard, writing_faces
from pipeline.faces.video_faces import VideoFaces, from_arrays, to_arrays
from pipeline.files.hdf5 import mark
from pipeline.runtime.errors import StepError

CONFIG = FacesConfig(frames=4, size=64)


def test_shard_reads_back_what_was_written(corpus, tmp_path):
    video = corpus / "original_sequences/youtube/c23/videos/001.mp4"
    faces = extract_video(video, MaskVideos(), HaarDetector(0.15), CONFIG)
    bad = extract_video(tmp_path / "none.mp4", MaskVideos(), HaarDetector(0.15), CONFIG)
    columns = {"video": str, "label": int}
    with writing_faces(tmp_path / "s.h5", 64, {"why": "test"}, columns) as shard:
        shard.add({"video": "gone", "label": 1}, bad)
        shard.add({"video": "there", "label": 0}, faces)
        assert not (tmp_path / "s.h5").exists()  # the name appears at the end
    with FaceShard(tmp_path / "s.h5") as shard:
        assert np.array_equal(shard.crops[:], faces.crops)
        assert shard.videos["status"].tolist() == ["missing", "ok"]
        assert shard.videos["crops"].tolist() == [0, 4]
        assert shard.labelled_frames()["video"].tolist() == ["there"] * 4
        assert np.array_equal(shard.frames["number"], faces.frames["number"])


def test_an_unfinished_shard_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_faces(tmp_path / "s.h5", 64, {}, {}):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_old_version_is_refused_with_a_remedy(tmp_path):
    import h5py

    with h5py.File(tmp_path / "s.h5", "w") as file:
        mark(file, "deepfake-atlas faces", 0, {})
    with pytest.raises(StepError, match=r"faces 0', not .* 3; delete it and run"):
        FaceShard(tmp_path / "s.h5")


def test_contact_sheet_shows_a_crop_or_a_reason_for_each_video(corpus, tmp_path):
    video = corpus / "original_sequences/youtube/c23/videos/001.mp4"
    faces = extract_video(video, MaskVideos(), HaarDetector(0.15), CONFIG)
    columns = {"video": str, "method": str, "path": str}
    with writing_faces(tmp_path / "s.h5", 64, {}, columns) as shard:
        shard.add({"video": "a", "method": "youtube", "path": "a.mp4"}, faces)
        gone = VideoFaces("missing", "there is no such file")
        shard.add({"video": "b", "method": "youtube", "path": "b.mp4"}, gone)
    with FaceShard(tmp_path / "s.h5") as shard:
        sheet = np.asarray(contact_sheet(shard)).astype(int)
    first, second = (sheet[40:150, left + 8 : left + 120] for left in (8, 144))
    assert (np.median(first, (0, 1)) == 0xE6).all()  # an empty thumbnail with text
    assert first.min() < 0x80
    crop = faces.crops[2].repeat(2, 0).repeat(2, 1)[8:118, 8:120]
    assert np.abs(second - crop).mean() < 2
    assert (sheet[32, 8:136] == (0xD5, 0x5E, 0)).all()  # failed
    assert (sheet[32, 144:272] == (0, 0x72, 0xB2)).all()  # ok


def test_contact_sheet_of_no_videos(tmp_path):
    columns = {"video": str, "method": str, "path": str}
    with writing_faces(tmp_path / "s.h5", 64, {}, columns):
        pass
    with FaceShard(tmp_path / "s.h5") as shard:
        assert contact_sheet(shard).width > 100


@pytest.mark.parametrize("crops", [None, np.ones((2, 4, 4, 3), np.uint8)])
def test_the_result_of_a_video_is_read_back_unchanged(crops):
    frames = None if crops is None else {"number": np.arange(2), "score": np.ones(2)}
    masks = None if crops is None else np.zeros((2, 4, 4), np.uint8)
    faces = VideoFaces("ok", "ümlaut; x", 7, 9, 4, 3, True, crops, masks, frames)
    again = from_arrays(to_arrays(faces))
    assert vars(again).keys() == vars(faces).keys()
    for name, value in vars(faces).items():
        if name == "frames":
            assert (value or {}).keys() == (again.frames or {}).keys()
        elif isinstance(value, np.ndarray):
            assert (getattr(again, name) == value).all()
        else:
            assert getattr(again, name) == value
