"""Originals of fakes: the same frames and boxes, from the original videos."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.attributions.original_alignment import (
    MIN_ALIGNED_PSNR,
    original_crops,
    psnr_outside,
    write_originals,
)
from pipeline.attributions.originals import Originals
from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.extraction import extract_video
from pipeline.faces.shards import FaceShard, writing_faces
from pipeline.videos.decoding.video import open_video
from tests.support.mutations import ffmpeg

CONFIG = FacesConfig(frames=6, size=48)
COLUMNS = dict.fromkeys("video dataset compression method target source".split(), str)
METHODS = ("Deepfakes", "NeuralTextures", "real")
NAMES = (("000", "001"), ("001", "000"))


def video_path(corpus: Path, compression: str, method: str, name: str) -> Path:
    folder = (
        "original_sequences/youtube"
        if method == "real"
        else f"manipulated_sequences/{method}"
    )
    return corpus / folder / compression / "videos" / f"{name}.mp4"


@pytest.fixture(scope="module", params=["c23", "c40"])
def compression(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def originals(corpus) -> dict[tuple[str, str], Path]:
    return {
        (c, target): video_path(corpus, c, "real", target)
        for c in ("c23", "c40")
        for target, _ in NAMES
    }


def by_fake(files: dict, compression: str) -> dict[str, Path]:
    """The original of each fake of the shard: its target's video, same compression."""
    return {
        f"{method}/{target}_{source}": files[compression, target]
        for method in METHODS[:2]
        for target, source in NAMES
    }


@pytest.fixture(scope="module")
def faces(corpus, compression, tmp_path_factory) -> Path:
    """A shard of one compression with fakes of two methods and real videos."""
    path = tmp_path_factory.mktemp("faces") / f"{compression}.h5"
    detector = HaarDetector(CONFIG.min_face)
    with writing_faces(path, CONFIG.size, {}, COLUMNS | {"label": int}) as shard:
        for target, source in NAMES:
            for method in METHODS:
                fake = method != "real"
                name = f"{target}_{source}" if fake else target
                mask = corpus / f"manipulated_sequences/{method}/masks/videos"
                found = extract_video(
                    video_path(corpus, compression, method, name),
                    mask / f"{name}.mp4" if fake else None,
                    detector,
                    CONFIG,
                )
                row = {"video": f"{method}/{name}", "dataset": "miniature"}
                row |= {"compression": compression, "method": method}
                row |= {"target": target, "source": source if fake else ""}
                shard.add(row | {"label": int(fake)}, found)
    return path


def written(
    faces: Path, files: dict, path: Path, config: FacesConfig = CONFIG
) -> tuple[np.ndarray, ...]:
    """Write originals; return their crops, PSNR and which are aligned."""
    write_originals(path, faces, files, config=config, workers=2, provenance={})
    with Originals(path) as found:
        names = ("crops", "frames/psnr", "frames/aligned")
        return tuple(found.file[name][:] for name in names)


def options(frame_size, size=24) -> dict:
    """The keyword arguments of `original_crops`."""
    return {"frame_size": frame_size, "size": size, "decoder": "auto"}


def swapped(originals: dict) -> dict[tuple[str, str], Path]:
    """For each fake, the video of another person instead of the original."""
    return {(c, t): originals[c, s] for c in ("c23", "c40") for t, s in NAMES}


def test_originals_show_the_frames_of_the_fakes(
    faces, originals, compression, tmp_path
):
    files = by_fake(originals, compression)
    crops, psnr, aligned = written(faces, files, tmp_path / "o.h5")
    with FaceShard(faces) as shard, Originals(tmp_path / "o.h5") as found:
        frames = shard.labelled_frames()
        fakes, masks = shard.crops[:], shard.masks[:] > 0
        assert (found.crops_of(np.flatnonzero(aligned)) == crops[aligned]).all()
    fake = frames["label"].to_numpy() == 1
    assert len(crops) == len(psnr) == len(aligned) == len(frames) > 20
    # A real face has no original: its baseline is another real face.
    assert np.isnan(psnr[~fake]).all()
    assert not crops[~fake].any()
    assert aligned[fake].mean() > (0.95 if compression == "c23" else 0.8)
    assert (aligned == (np.nan_to_num(psnr) >= MIN_ALIGNED_PSNR)).all()
    # Outside the mask they equal the fakes, row by row; inside they do not.
    away = np.abs(crops.astype(float) - fakes).mean(-1)
    for row in np.flatnonzero(aligned):
        outside, inside = away[row][~masks[row]], away[row][masks[row]]
        assert outside.mean() < 6
        assert inside.mean() > 1.1 * outside.mean()


def test_an_originals_crops_equal_its_own_extracted_crops(corpus, compression):
    """With the same boxes, a video as its own original gives the same bits."""
    path = video_path(corpus, compression, "real", "000")
    faces = extract_video(path, None, HaarDetector(CONFIG.min_face), CONFIG)
    order = np.arange(len(faces.crops))[::-1]  # any order, and repeats
    order = np.append(order, order[:2])
    numbers, boxes = faces.frames["number"][order], faces.frames["box"][order]
    frame = (faces.height, faces.width)
    crops, is_cut, reason = original_crops(path, numbers, boxes, **options(frame, 48))
    assert is_cut.all()
    assert reason == ""
    assert (crops == faces.crops[order]).all()


def test_another_moment_is_less_similar_and_another_person_is_not_aligned(
    corpus, faces, originals, compression, tmp_path
):
    """No threshold separates a moment from its neighbours, but the mean over a video
    differs five frames away."""
    files = by_fake(swapped(originals), compression)
    _, psnr, aligned = written(faces, files, tmp_path / "o.h5")
    assert np.nanmax(psnr) < MIN_ALIGNED_PSNR - 10
    assert not aligned.any()
    with FaceShard(faces) as shard:
        frames, boxes = shard.labelled_frames(), shard.file["frames/box"][:]
        fakes, masks = shard.crops[:], shard.masks[:]
    for _, rows in frames[frames["label"] == 1].groupby("video"):
        video, at = rows.iloc[0], rows.index.to_numpy()
        path = originals[compression, video["target"]]
        numbers, frame = rows["number"].to_numpy(), (video["height"], video["width"])
        similarity = {}
        for shift in (0, 5):
            crops, is_cut, _ = original_crops(
                path, numbers + shift, boxes[at], **options(frame, CONFIG.size)
            )
            similarity[shift] = np.array(
                [
                    psnr_outside(fakes[row], crop, masks[row]) if had else np.nan
                    for row, crop, had in zip(at, crops, is_cut, strict=True)
                ]
            )
        both = np.isfinite(similarity[0] + similarity[5])
        lead = (similarity[0] - similarity[5])[both].mean()
        assert lead > (5 if compression == "c23" else 1)


def test_without_a_mask_the_border_of_the_crop_is_compared(
    faces, originals, compression, tmp_path
):
    """Comparing the full crop would fail, because the forgery is inside it."""
    bare = tmp_path / "bare.h5"
    shutil.copy(faces, bare)
    with h5py.File(bare, "a") as file:
        file["videos/has_mask"][:] = False
        file["masks"][:] = 0
    files = by_fake(originals, compression)
    _, psnr, aligned = written(bare, files, tmp_path / "o.h5")
    with FaceShard(bare) as shard:
        fake = shard.labelled_frames()["label"].to_numpy() == 1
    assert aligned[fake].all()
    assert np.isnan(psnr[~fake]).all()
    files = by_fake(swapped(originals), compression)
    _, psnr, _ = written(bare, files, tmp_path / "o.h5")
    assert np.nanmax(psnr) < MIN_ALIGNED_PSNR - 10


def test_originals_that_cannot_be_used_are_logged(
    faces, originals, compression, tmp_path, caplog
):
    caplog.set_level("INFO")
    fakes = by_fake(originals, compression)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    for files, reason in (
        (dict.fromkeys(fakes, broken), "the original: not a video"),
        (dict.fromkeys(fakes, tmp_path / "none.mp4"), "the original: there is no"),
        ({}, "no original is known"),
    ):
        caplog.clear()
        crops, psnr, aligned = written(faces, files, tmp_path / "o.h5")
        assert not crops.any()
        assert np.isnan(psnr).all()
        assert not aligned.any()
        assert f"4 videos: {reason}" in caplog.text


def test_an_original_that_takes_too_long_only_affects_its_own_fakes(
    faces, originals, compression, tmp_path, caplog
):
    caplog.set_level("INFO")
    long = tmp_path / "long.mp4"  # no worker finishes it within the limit
    ffmpeg("-stream_loop", 5000, "-i", originals["c23", "000"], "-c", "copy", long)
    fakes = dict.fromkeys(by_fake(originals, compression), long)
    hasty = CONFIG.model_copy(update={"time_limit": 0.001})
    crops, psnr, aligned = written(faces, fakes, tmp_path / "o.h5", hasty)
    assert not crops.any()
    assert np.isnan(psnr).all()
    assert not aligned.any()
    expected = "4 videos: the original: timeout: took longer than 0.001 s"
    assert expected in caplog.text


def test_an_original_of_another_size_or_too_short_is_not_used(originals):
    path = originals["c23", "000"]
    video = open_video(path)
    boxes, numbers = np.tile([0, 0, 40, 40], (3, 1)), np.array([1, 2, 10**6])
    narrower = (video.height, video.width - 2)
    _, is_cut, reason = original_crops(path, numbers, boxes, **options(narrower))
    assert not is_cut.any()
    assert reason == "the original is of another size"
    frame = (video.height, video.width)
    crops, is_cut, reason = original_crops(path, numbers, boxes, **options(frame))
    assert is_cut.tolist() == [True, True, False]
    assert reason == "the original ends before the fake"
    assert not crops[2].any()


def test_damaged_frames_are_left_out_and_reported(originals, tmp_path):
    groups = tmp_path / "groups.mp4"
    encoding = ("-c:v", "libx264", "-threads", 1, "-g", 4, "-movflags", "faststart")
    ffmpeg("-i", originals["c23", "000"], *encoding, groups)
    video = open_video(groups)
    frame, numbers = (video.height, video.width), np.arange(video.index.total)
    boxes = np.tile([0, 0, 200, 200], (len(numbers), 1))
    intact, is_cut, _ = original_crops(groups, numbers, boxes, **options(frame))
    assert is_cut.all()
    content = bytearray(groups.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(b ^ 0x55 for b in content[middle:][:40])
    groups.write_bytes(content)
    crops, is_cut, reason = original_crops(groups, numbers, boxes, **options(frame))
    assert 0 < is_cut.sum() < len(numbers)
    assert reason == "frames of the original are damaged"
    assert (crops[is_cut] == intact[is_cut]).all()
    assert not crops[~is_cut].any()


def test_psnr_equals_values_by_hand():
    one = np.full((32, 32, 3), 100, np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    assert psnr_outside(one, one, mask) == np.inf
    assert psnr_outside(one, one + 5, mask) == pytest.approx(20 * np.log10(51))
    other = one.copy()
    mask[10:20, 10:20], other[8:22, 8:22] = 1, 255  # two pixels around the mask
    assert psnr_outside(one, other, mask) == np.inf
    other[:, 7] = 255  # the third pixel is outside
    assert np.isfinite(psnr_outside(one, other, mask))
    assert np.isnan(psnr_outside(one, other, np.ones_like(mask)))
