"""Faces: found, followed, cropped by the convention, with their masks."""

import cv2
import numpy as np
import pytest

from pipeline.config.faces import FacesConfig
from pipeline.cropping import crop, square_boxes
from pipeline.detection import Calibration, Detections, HaarDetector, RetinaFaceDetector
from pipeline.errors import StepError
from pipeline.extract_faces import check_failures
from pipeline.face_shards import FaceShard, mark, writing_faces
from pipeline.faces import extract_video
from pipeline.miniature.corpus import write_video
from pipeline.miniature.scene import make_scene, real_frames
from pipeline.tracking import follow_subject

CONFIG = FacesConfig(frames=4, size=64)


def found(*boxes) -> Detections:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    ones = np.ones(len(boxes), np.float32)
    return Detections(boxes, ones, np.full((len(boxes), 5, 2), np.nan, np.float32))


def test_haar_finds_the_drawn_faces_where_they_were_drawn():
    hits = 0
    for person in range(10):
        scene = make_scene(0, person, (2, 2))
        frame = next(iter(real_frames(scene)))
        pose = scene.motion.poses[0]
        track = follow_subject(HaarDetector(40).detect(frame[None]), np.array([0]))
        if track is None:
            continue
        left, top, right, bottom = track.boxes[0]
        near = abs((left + right) / 2 - pose.x) < 0.4 * pose.half_width
        hits += near and abs((top + bottom) / 2 - pose.y) < 0.6 * pose.half_width
    assert hits >= 9


def test_extraction_of_a_fake(corpus):
    folder = corpus / "manipulated_sequences/Deepfakes"
    video, mask = (folder / f"{c}/videos/000_001.mp4" for c in ("c23", "masks"))
    faces = extract_video(video, mask, HaarDetector(40), CONFIG)
    assert (faces.status, faces.reason) == ("ok", "")
    assert faces.crops.shape == (4, 64, 64, 3)
    assert faces.crops.dtype == np.uint8
    assert faces.has_mask
    assert set(np.unique(faces.masks)) == {0, 1}
    centre = faces.masks[:, 24:40, 24:40]
    assert centre.mean() > 0.95  # the mask is cut out at the same place as the face
    assert faces.masks[:, 0].mean() < 0.05


def test_more_frames_asked_for_than_there_are(real_video):
    faces = extract_video(real_video, None, HaarDetector(40), FacesConfig(frames=500))
    assert faces.status == "short"
    assert f"has {len(faces.crops)} frames, fewer than the 500" in faces.reason


def test_a_video_without_a_face(tmp_path):
    rng = np.random.default_rng(0)
    empty = [rng.integers(90, 110, (240, 320, 3), np.uint8) for _ in range(6)]
    write_video(tmp_path / "empty.mp4", empty, 23)
    faces = extract_video(tmp_path / "empty.mp4", None, HaarDetector(40), CONFIG)
    assert faces.status == "no_face"
    assert faces.crops is None


def test_a_missing_mask_is_said_and_costs_no_video(corpus, tmp_path):
    video = corpus / "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"
    faces = extract_video(video, tmp_path / "none.mp4", HaarDetector(40), CONFIG)
    assert faces.status == "ok"
    assert not faces.has_mask
    assert "no mask" in faces.reason


def test_the_main_subject_is_followed_past_a_bystander():
    subject = [(100 + 5 * i, 80, 180 + 5 * i, 160) for i in range(5)]
    frames = [found(box) for box in subject]
    frames[1] = found((10, 10, 120, 120), subject[1])  # larger, but there only once
    frames[3] = found((300, 20, 330, 50))  # the subject is missed
    track = follow_subject(frames, np.arange(5))
    assert track.interpolated.tolist() == [False, False, False, True, False]
    assert np.allclose(track.boxes, subject)
    assert np.isnan(track.scores[3])


def test_no_detection_is_no_track():
    assert follow_subject([found(), found()], np.arange(2)) is None


def test_square_boxes_follow_the_convention():
    boxes = np.array(
        [[100, 100, 180, 150], [0, 0, 40, 40], [0, 0, 500, 500]], np.float32
    )
    squares = square_boxes(boxes, Calibration(1.0, 0.0), 1.3, (240, 320))
    assert squares[0].tolist() == [88, 73, 192, 177]  # 104 = int(1.3 * 80), same centre
    assert squares[1].tolist() == [0, 0, 52, 52]  # shifted into the frame
    assert squares[2].tolist() == [80, 0, 320, 240]  # no larger than the frame
    assert (squares[:, 2] - squares[:, 0] == squares[:, 3] - squares[:, 1]).all()


def test_crops_are_cut_where_the_box_is():
    frame = np.zeros((1, 100, 100, 3), np.uint8)
    frame[0, 20:60, 30:70] = 200
    cut = crop(frame, np.array([[30, 20, 70, 60]]), 40)
    assert (cut == 200).all()


def test_shard_reads_back_what_was_written(corpus, tmp_path):
    video = corpus / "original_sequences/youtube/c23/videos/001.mp4"
    faces = extract_video(video, None, HaarDetector(40), CONFIG)
    bad = extract_video(tmp_path / "none.mp4", None, HaarDetector(40), CONFIG)
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


def test_too_many_failures_stop_the_step_and_name_the_files(tmp_path):
    import pandas as pd

    rows = [{"path": f"{i}.mp4", "status": "ok", "reason": ""} for i in range(8)]
    rows += [{"path": "x.mp4", "status": "empty", "reason": "the file has no bytes"}]
    check_failures(pd.DataFrame(rows), 0.0, tmp_path)  # one never stops a shard
    rows += [{"path": "y.mp4", "status": "no_face", "reason": "no face"}]
    check_failures(pd.DataFrame(rows), 0.2, tmp_path)
    with pytest.raises(StepError, match=r"2 of 10 videos failed") as e:
        check_failures(pd.DataFrame(rows), 0.1, tmp_path)
    assert "x.mp4: the file has no bytes" in str(e.value)
    assert "y.mp4: no face" in str(e.value)


def test_retinaface_in_batches_equals_the_package_image_by_image():
    """With random weights, since the real ones are a download."""
    import torch
    from retinaface import RetinaFace

    torch.manual_seed(0)
    detector = RetinaFaceDetector(None)
    for module in detector.network.modules():  # so that signals stay finite, and vary
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(20.0)
    scenes = [make_scene(0, person, (1, 1)) for person in (0, 3)]
    frames = np.stack([next(iter(real_frames(s))) for s in scenes])
    # Random weights are sure of nothing: keep the few highest scores.
    scale = detector.short_side / frames.shape[1]
    large = [cv2.resize(f, None, fx=scale, fy=scale) for f in frames]
    with torch.inference_mode():
        outputs = detector.network(torch.from_numpy(np.stack(large)).float())
    scores = np.concatenate([o[..., 2:].ravel().numpy() for o in outputs[::3]])
    detector.threshold = float(np.sort(scores)[-60])
    ours = detector.detect(frames)
    compared = 0
    for frame, one in zip(frames, ours, strict=True):
        theirs = RetinaFace.detect_faces(
            frame[..., ::-1], threshold=detector.threshold, model=detector.network
        )
        assert len(one.boxes) == len(theirs)
        for index, face in enumerate(theirs.values()):
            assert one.boxes[index] == pytest.approx(face["facial_area"], abs=1.0)
            assert one.scores[index] == pytest.approx(face["score"], abs=1e-4)
            points = np.array(list(face["landmarks"].values()))
            assert one.landmarks[index] == pytest.approx(points, abs=0.05)
            compared += 1
    assert compared > 0
