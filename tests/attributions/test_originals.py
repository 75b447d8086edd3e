"""Originals of fakes: the same frames and boxes, from the original videos."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.attributions.original_alignment import (
    MIN_ALIGNED_PSNR,
    OFFSETS,
    Compared,
    best_offset,
    changed_pixels,
    error_outside,
    original_crops,
    psnr_outside,
    write_originals,
)
from pipeline.attributions.originals import Originals, summary_table
from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.extraction import MaskVideos, extract_video
from pipeline.faces.shards import FaceShard, writing_faces
from pipeline.videos.decoding.video import open_video
from pipeline.videos.miniature.corpus import write_video
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
                    MaskVideos(mask / f"{name}.mp4" if fake else None, is_fake=fake),
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
    # A real face has no original.
    assert np.isnan(psnr[~fake]).all()
    assert not crops[~fake].any()
    assert aligned[fake].mean() > (0.95 if compression == "c23" else 0.7)
    assert (np.nan_to_num(psnr)[aligned] >= MIN_ALIGNED_PSNR).all()
    # Outside the mask they equal the fakes, row by row; inside they do not.
    away = np.abs(crops.astype(float) - fakes).mean(-1)
    for row in np.flatnonzero(aligned):
        outside, inside = away[row][~masks[row]], away[row][masks[row]]
        assert outside.mean() < 6
        assert inside.mean() > 1.1 * outside.mean()
    table = summary_table([tmp_path / "o.h5"]).set_index("method")
    assert set(table.index) == {"Deepfakes", "NeuralTextures"}
    assert (table["videos"] == 2).all()
    assert table["frames"].sum() == fake.sum()
    assert table["aligned"].sum() == aligned.sum()
    assert (table["offset_0"] == 2).all()


def test_changed_pixels_are_those_of_the_forgery(
    faces, originals, compression, tmp_path
):
    written(faces, by_fake(originals, compression), tmp_path / "o.h5")
    with FaceShard(faces) as shard, Originals(tmp_path / "o.h5") as found:
        rows = np.flatnonzero(found.aligned)
        changed, masks = found.changed_of(rows) > 0, shard.masks[rows] > 0
    shares = changed.mean((1, 2))
    assert (shares > 0.005).all()
    inside = (changed & masks).sum() / changed.sum()
    assert inside > 0.8  # forgeries are blended a little beyond their mask
    assert (changed & masks).sum() / masks.sum() > (
        0.3 if compression == "c23" else 0.15
    )


def test_a_delayed_original_is_not_aligned(faces, originals, compression, tmp_path):
    """The fake starts some frames after its original: every frame is another moment."""
    if compression == "c40":
        pytest.skip(
            "small movements are lost at c40: a neighbouring frame fits as well"
        )
    delayed = {}
    for (c, name), path in originals.items():
        video = open_video(path)
        pixels, _ = video.read(np.arange(video.index.total))
        delayed[c, name] = tmp_path / f"{c}-{name}.mp4"
        write_video(delayed[c, name], [*pixels[:2], *pixels], 23 if c == "c23" else 40)
    _, psnr, aligned = written(faces, by_fake(delayed, compression), tmp_path / "o.h5")
    assert np.nanmax(psnr) > MIN_ALIGNED_PSNR - 8  # the PSNR alone would not tell
    table = summary_table([tmp_path / "o.h5"])
    assert not aligned.any()
    assert (table["offset_2"] == table["videos"]).all()


def test_the_best_offset_is_compared_on_the_same_frames():
    """The second frame is near the end: offsets 2 and 3 do not exist there."""
    errors = np.full((2, len(OFFSETS)), 9.0)
    errors[1] += 90
    errors[1, -2:] = np.nan
    errors[:, OFFSETS.index(0)] -= 1
    assert best_offset(errors) == 0
    errors[0, OFFSETS.index(2)] = 7
    assert best_offset(errors) == 0  # hardly better
    errors[0, OFFSETS.index(2)] = 6
    assert best_offset(errors) == 2
    assert np.isnan(best_offset(np.full((2, len(OFFSETS)), np.nan)))
    assert best_offset(np.zeros((2, len(OFFSETS)))) == 0


def test_changed_pixels_are_found_above_the_noise_of_compression():
    rng = np.random.default_rng(0)
    original = rng.integers(60, 180, (64, 64, 3)).astype(np.uint8)
    fake = (original + rng.normal(0, 2, original.shape)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44, 20:44] = 1
    assert changed_pixels(fake, original, mask).mean() < 0.01
    fake[26:38, 26:38] += 30  # a part of the mask
    found = changed_pixels(fake, original, mask)
    assert found[26:38, 26:38].all()
    found[24:40, 24:40] = 0
    assert found.mean() < 0.01
    assert error_outside(fake, original, mask) < 6


def test_an_originals_crops_equal_its_own_extracted_crops(corpus, compression):
    """With the same boxes, a video as its own original gives the same bits."""
    path = video_path(corpus, compression, "real", "000")
    faces = extract_video(path, MaskVideos(), HaarDetector(CONFIG.min_face), CONFIG)
    order = np.arange(len(faces.crops))[::-1]  # any order, and repeats
    order = np.append(order, order[:2])
    numbers, boxes = faces.frames["number"][order], faces.frames["box"][order]
    frame = (faces.height, faces.width)
    compared = Compared(
        np.array([0]), faces.crops[order[:1]], np.zeros((1, 48, 48), "u1")
    )
    found = original_crops(
        path, numbers, boxes, compared=compared, **options(frame, 48)
    )
    assert found.is_cut.all()
    assert found.reason == ""
    assert (found.crops == faces.crops[order]).all()
    assert found.errors[0, OFFSETS.index(0)] == 0
    assert best_offset(found.errors) == 0


def test_another_person_is_not_aligned(faces, originals, compression, tmp_path):
    files = by_fake(swapped(originals), compression)
    _, psnr, aligned = written(faces, files, tmp_path / "o.h5")
    assert np.nanmax(psnr) < MIN_ALIGNED_PSNR - 10
    assert not aligned.any()


def test_without_a_mask_the_border_of_the_crop_is_compared(
    faces, originals, compression, tmp_path
):
    """Comparing the full crop would fail, because the forgery is inside it."""
    bare = tmp_path / "bare.h5"
    shutil.copy(faces, bare)
    with h5py.File(bare, "a") as file:
        file["frames/has_mask"][:] = False
        file["masks"][:] = 0
    files = by_fake(originals, compression)
    _, psnr, aligned = written(bare, files, tmp_path / "o.h5")
    with FaceShard(bare) as shard:
        fake = shard.labelled_frames()["label"].to_numpy() == 1
    assert aligned[fake].mean() > 0.9
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
    found = original_crops(path, numbers, boxes, **options(narrower))
    assert not found.is_cut.any()
    assert found.reason == "the original is of another size"
    frame = (video.height, video.width)
    found = original_crops(path, numbers, boxes, **options(frame))
    assert found.is_cut.tolist() == [True, True, False]
    assert len(found.crops) == 2
    assert found.reason == "the original ends before the fake"


def test_damaged_frames_are_left_out_and_reported(originals, tmp_path):
    groups = tmp_path / "groups.mp4"
    encoding = ("-c:v", "libx264", "-threads", 1, "-g", 4, "-movflags", "faststart")
    ffmpeg("-i", originals["c23", "000"], *encoding, groups)
    video = open_video(groups)
    frame, numbers = (video.height, video.width), np.arange(video.index.total)
    boxes = np.tile([0, 0, 200, 200], (len(numbers), 1))
    intact = original_crops(groups, numbers, boxes, **options(frame))
    assert intact.is_cut.all()
    content = bytearray(groups.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(b ^ 0x55 for b in content[middle:][:40])
    groups.write_bytes(content)
    found = original_crops(groups, numbers, boxes, **options(frame))
    assert 0 < found.is_cut.sum() < len(numbers)
    assert found.reason == "frames of the original are damaged"
    assert (found.crops == intact.crops[found.is_cut]).all()


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
