"""Faces are found, followed, and cropped by the convention, with their masks."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from pipeline.attributions.explain import explain
from pipeline.attributions.memory_plan import BatchSize
from pipeline.config.attribution import AttributionConfig
from pipeline.config.faces import FacesConfig
from pipeline.faces.cropping import crop, square_boxes
from pipeline.faces.detection.face_detector import GROUP_SIZE, BoxCalibration
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.extraction import MaskVideos, extract_video
from pipeline.faces.shards import FaceShard, writing_faces
from pipeline.faces.video_faces import check_failures
from pipeline.models.face_crops import FaceCrops
from pipeline.models.inference import predict
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from pipeline.models.predictions import per_video
from pipeline.runtime.errors import StepError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.miniature.corpus import write_video
from pipeline.videos.miniature.scene import real_frames
from tests.support.drawn import plain_scene
from tests.support.mutations import ffmpeg
from tests.support.shards import COLUMNS, PROVENANCE, row

CONFIG = FacesConfig(frames=4, size=64)


def test_extraction_of_a_fake(corpus):
    folder = corpus / "manipulated_sequences/Deepfakes"
    video, mask = (folder / f"{c}/videos/000_001.mp4" for c in ("c23", "masks"))
    faces = extract_video(
        video, MaskVideos(mask, is_fake=True), HaarDetector(0.15), CONFIG
    )
    assert (faces.status, faces.reason) == ("ok", "")
    assert faces.crops.shape == (4, 64, 64, 3)
    assert faces.crops.dtype == np.uint8
    assert faces.has_mask
    assert set(np.unique(faces.masks)) == {0, 1}
    centre = faces.masks[:, 24:40, 24:40]
    assert centre.mean() > 0.95  # the mask is cut out at the same place as the face
    assert faces.masks[:, 0].mean() < 0.05


def same(one, other) -> bool:
    """Whether the results of two videos are equal to the bit."""
    arrays = [(one.crops, other.crops), (one.masks, other.masks)]
    arrays += [(one.frames[name], other.frames[name]) for name in other.frames]
    outcomes = [(x.status, x.reason, x.looked_at, x.has_mask) for x in (one, other)]
    equal = [np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in arrays]
    return all(equal) and outcomes[0] == outcomes[1]


def test_frames_in_many_chunks_give_the_same_result(corpus, monkeypatch):
    """Long videos are read twice, a few frames at a time."""
    folder = corpus / "manipulated_sequences/Face2Face"
    video, mask = (folder / f"{c}/videos/000_001.mp4" for c in ("c23", "masks"))
    config = FacesConfig(frames=100, size=64)
    one_chunk = extract_video(
        video, MaskVideos(mask, is_fake=True), HaarDetector(0.15), config
    )
    assert len(one_chunk.crops) > GROUP_SIZE
    monkeypatch.setattr(
        "pipeline.videos.decoding.frames.MAX_CHUNK_BYTES", 1
    )  # a group of frames at a time
    assert same(
        extract_video(
            video, MaskVideos(mask, is_fake=True), HaarDetector(0.15), config
        ),
        one_chunk,
    )


def test_chunks_of_a_damaged_video_are_the_same_in_each_iteration(
    tmp_path, monkeypatch
):
    film, groups = tmp_path / "film.mp4", tmp_path / "groups.mp4"
    write_video(film, real_frames(plain_scene(0, 0, 40)), 18)
    options = ("-c:v", "libx264", "-threads", 1, "-g", 8, "-movflags", "faststart")
    ffmpeg("-i", film, *options, groups)
    content = bytearray(groups.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(b ^ 0x55 for b in content[middle:][:40])
    groups.write_bytes(content)
    monkeypatch.setattr("pipeline.videos.decoding.frames.MAX_CHUNK_BYTES", 1)
    frames = Frames(open_video(groups), np.arange(40))
    one, other = list(frames), list(frames)
    assert 20 < len(frames.numbers) < 40
    assert len(one) == len(other) > 3
    for (numbers, pixels), (again, same_pixels) in zip(one, other, strict=True):
        assert np.array_equal(numbers, again)
        assert np.array_equal(pixels, same_pixels)


def test_a_video_of_one_frame_gives_one_crop(corpus, tmp_path):
    scene = plain_scene(0, 0, 1)
    write_video(tmp_path / "one.mp4", real_frames(scene), 23)
    faces = extract_video(
        tmp_path / "one.mp4", MaskVideos(), HaarDetector(0.15), CONFIG
    )
    assert (faces.status, len(faces.crops)) == ("short", 1)


def test_a_video_with_fewer_frames_than_configured_is_short(real_video):
    faces = extract_video(
        real_video, MaskVideos(), HaarDetector(0.15), FacesConfig(frames=500)
    )
    assert faces.status == "short"
    assert f"has {len(faces.crops)} frames, fewer than the 500" in faces.reason


def test_a_video_without_a_face_has_no_crops(tmp_path):
    rng = np.random.default_rng(0)
    empty = [rng.integers(90, 110, (240, 320, 3), np.uint8) for _ in range(6)]
    write_video(tmp_path / "empty.mp4", empty, 23)
    faces = extract_video(
        tmp_path / "empty.mp4", MaskVideos(), HaarDetector(0.15), CONFIG
    )
    assert faces.status == "no_face"
    assert faces.crops is None


def test_a_missing_mask_is_a_reason_but_the_video_is_used(corpus, tmp_path):
    video = corpus / "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"
    faces = extract_video(
        video,
        MaskVideos(tmp_path / "none.mp4", is_fake=True),
        HaarDetector(0.15),
        CONFIG,
    )
    assert faces.status == "ok"
    assert not faces.has_mask
    assert "no mask" in faces.reason


def test_square_boxes_follow_the_convention():
    boxes = np.array(
        [[100, 100, 180, 150], [0, 0, 40, 40], [0, 0, 500, 500]], np.float32
    )
    squares = square_boxes(boxes, BoxCalibration(1.0, 0.0), 1.3, (240, 320))
    assert squares[0].tolist() == [88, 73, 192, 177]  # 104 = int(1.3 * 80), same centre
    assert squares[1].tolist() == [0, 0, 52, 52]  # shifted into the frame
    assert squares[2].tolist() == [80, 0, 320, 240]  # no larger than the frame
    assert (squares[:, 2] - squares[:, 0] == squares[:, 3] - squares[:, 1]).all()


def test_crops_are_cut_at_the_box():
    frame = np.zeros((1, 100, 100, 3), np.uint8)
    frame[0, 20:60, 30:70] = 200
    cut = crop(frame, np.array([[30, 20, 70, 60]]), 40)
    assert (cut == 200).all()


def test_too_many_failures_stop_the_step_and_name_the_files(tmp_path):
    import pandas as pd

    rows = [{"path": f"{i}.mp4", "status": "ok", "reason": ""} for i in range(8)]
    rows += [{"path": "x.mp4", "status": "empty", "reason": "the file has no bytes"}]
    check_failures(pd.DataFrame(rows), 0.0, tmp_path)  # a single failure is allowed
    rows += [{"path": "y.mp4", "status": "no_face", "reason": "no face"}]
    check_failures(pd.DataFrame(rows), 0.2, tmp_path)
    with pytest.raises(StepError, match=r"2 of 10 videos failed") as e:
        check_failures(pd.DataFrame(rows), 0.1, tmp_path)
    assert "x.mp4: the file has no bytes" in str(e.value)
    assert "y.mp4: no face" in str(e.value)


def two_people(tmp_path, forged: str, empty: bool = False):
    """A clip of two people, the right one larger, and a mask on the `forged` one."""
    scene = plain_scene(0, 0, 6)
    frames, masks = [], []
    for face in real_frames(scene):
        height, width = face.shape[:2]
        small = cv2.resize(face, (width * 2 // 3, height * 2 // 3))
        frame = np.full((height, width * 2, 3), 120, np.uint8)
        frame[: small.shape[0], : small.shape[1]] = small
        frame[:, width:] = face
        mask = np.zeros(frame.shape[:2], np.uint8)
        scale, start = (2 / 3, 0) if forged == "left" else (1, width)
        (box,) = HaarDetector(0.15).detect(face[None])[0].boxes[:1]
        left, top, right, bottom = (box * scale).astype(int)
        if not empty:
            mask[top:bottom, start + left : start + right] = 255
        frames.append(frame)
        masks.append(mask)
    write_video(tmp_path / "film.mp4", frames, 18)
    write_video(tmp_path / "mask.mp4", masks, 12)
    return tmp_path / "film.mp4", tmp_path / "mask.mp4", width


@pytest.mark.parametrize("forged", ["left", "right"])
def test_the_forged_face_is_chosen_among_several(tmp_path, forged):
    film, mask, middle = two_people(tmp_path, forged)
    faces = extract_video(
        film, MaskVideos(mask, is_fake=True), HaarDetector(0.15), CONFIG
    )
    assert faces.has_mask
    assert (faces.frames["box"][:, 0] < middle / 2).all() == (forged == "left")
    assert faces.masks[:, 24:40, 24:40].mean() > 0.9


ALL_FACES = CONFIG.model_copy(update={"faces": "all"})


@pytest.mark.parametrize("forged", ["left", "right"])
def test_a_bystander_in_a_fake_is_not_cropped(tmp_path, forged):
    """Its label would be that of the video: fake."""
    film, mask, middle = two_people(tmp_path, forged)
    fake = extract_video(
        film, MaskVideos(mask, is_fake=True), HaarDetector(0.15), ALL_FACES
    )
    assert set(fake.frames["subject"]) == {0}
    assert (fake.frames["box"][:, 0] < middle / 2).all() == (forged == "left")
    real = extract_video(film, MaskVideos(), HaarDetector(0.15), ALL_FACES)
    assert set(real.frames["subject"]) == {0, 1}
    unknown = extract_video(
        film, MaskVideos(is_fake=True), HaarDetector(0.15), ALL_FACES
    )
    assert (unknown.frames["box"][:, 0] > middle / 2).all()
    assert "no mask says who is the subject; the largest face is used" in unknown.reason


def test_label_score_and_map_of_a_fake_with_a_bystander_are_the_forged_persons(
    tmp_path,
):
    """They are those of the same film in which the bystander is painted over."""
    film, mask, middle = two_people(tmp_path, "left")
    video = open_video(film)
    frames, _ = video.read(np.arange(video.index.total))
    columns, file = COLUMNS | {"label": int}, tmp_path / "faces.h5"
    masks = MaskVideos(mask, is_fake=True)
    with writing_faces(file, 64, PROVENANCE, columns) as shard:
        for number in range(2):
            right = frames[:, :, middle:]
            right[:] = 120 if number else right // 2  # no bystander, or a dark one
            clip = tmp_path / f"{number}.mp4"
            write_video(clip, list(frames), 18)
            found = extract_video(clip, masks, HaarDetector(0.15), ALL_FACES)
            shard.add(row(number, "A"), found)
    brightness = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1))
    nn.init.constant_(brightness[2].weight, 10.0)
    spec = NetworkSpec("test", 64, (0.5,) * 3, (0.5,) * 3)
    detector = ForgeryDetector(brightness, spec).eval().requires_grad_(False)
    with FaceShard(file) as faces:
        table, pictures = faces.labelled_frames(), faces.crops[:]
    table["logit"] = np.concatenate(list(predict(detector, FaceCrops([file]), 8)))
    videos = per_video(table)
    assert (table["subject"] == 0).all()
    assert videos["label"].tolist() == [1, 1]
    assert videos["frames"].tolist() == [4, 4]
    assert np.ptp(videos["logit"]) < 0.3
    black = np.zeros((8, 1, 64, 64, 3), np.float32)
    maps = explain(
        detector, pictures, black, config=AttributionConfig(), batch_size=BatchSize(8)
    )["maps"]
    one, other = maps.reshape(2, 4, -1).astype(float)
    assert np.abs(one - other).sum() < 0.1 * np.abs(other).sum()
    # The bystander alone would have another score.
    dark = detector(torch.tensor(pictures[4:] // 2).permute(0, 3, 1, 2) / 255)
    assert abs(dark.mean().item() - videos["logit"][0]) > 1


def test_a_video_without_mask_shows_the_person_of_the_masked_fakes(tmp_path):
    film, mask, middle = two_people(tmp_path, "left")
    for masks in (MaskVideos(subject=mask), MaskVideos(subject=mask, is_fake=True)):
        faces = extract_video(film, masks, HaarDetector(0.15), CONFIG)
        assert (faces.frames["box"][:, 0] < middle / 2).all()
        assert not faces.masks.any()
        assert not faces.has_mask


def test_the_only_face_that_is_found_may_be_a_bystander(tmp_path):
    """The mask is where no face was found: the bystander is not called fake."""
    film, mask, middle = two_people(tmp_path, "left")
    video = open_video(film)
    frames, _ = video.read(np.arange(video.index.total))
    frames[:, :, :middle] = 120  # the forged face is hidden
    write_video(tmp_path / "hidden.mp4", list(frames), 18)
    masks = MaskVideos(mask, is_fake=True)
    faces = extract_video(tmp_path / "hidden.mp4", masks, HaarDetector(0.15), CONFIG)
    assert (faces.status, faces.crops) == ("no_face", None)
    assert "the face that was found is not the forged one" in faces.reason


def test_each_crop_knows_whether_its_mask_is_known(tmp_path):
    """A mask video may end before its fake: DeepFakeDetection has such ones."""
    film, mask, _ = two_people(tmp_path, "right")
    video = open_video(mask)
    pixels = video.read(np.arange(3))[0][..., 0]
    write_video(tmp_path / "half.mp4", list(pixels), 12)
    masks = MaskVideos(tmp_path / "half.mp4", is_fake=True)
    faces = extract_video(film, masks, HaarDetector(0.15), CONFIG)
    known = faces.frames["number"] < 3
    assert (faces.frames["has_mask"] == known).all()
    assert 0 < known.sum() < len(known)
    assert (faces.masks.any((1, 2)) == known).all()
    assert "the mask video lacks" in faces.reason


@pytest.mark.parametrize("case", ["no mask", "empty mask"])
def test_without_a_mask_the_largest_face_is_chosen(tmp_path, case):
    film, mask, middle = two_people(tmp_path, "left", empty=case == "empty mask")
    given = None if case == "no mask" else mask
    faces = extract_video(
        film, MaskVideos(given, is_fake=True), HaarDetector(0.15), CONFIG
    )
    assert (faces.frames["box"][:, 0] > middle / 2).all()


@pytest.mark.parametrize("missing", [False, True])
def test_no_face_is_chosen_if_the_mask_cannot_be_read(tmp_path, missing):
    film, mask, _ = two_people(tmp_path, "left")
    mask.unlink() if missing else mask.write_text("no video")
    faces = extract_video(
        film, MaskVideos(mask, is_fake=True), HaarDetector(0.15), CONFIG
    )
    assert (faces.status, faces.crops) == ("unclear", None)
    assert "2 people are seen, and no mask says who was forged" in faces.reason
