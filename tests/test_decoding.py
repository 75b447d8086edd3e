"""Decoding: exactly the frames asked for, and a reason for every bad file."""

import av
import numpy as np
import pytest

from pipeline.decoding import VideoError, decode, decode_numbers
from pipeline.sampling import evenly_spaced


def every_frame(path) -> np.ndarray:
    """All frames as PyAV decodes them."""
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        )


@pytest.mark.parametrize(
    ("total", "wanted"), [(1, 1), (5, 8), (10, 3), (300, 32), (7, 7)]
)
def test_evenly_spaced(total, wanted):
    numbers = evenly_spaced(total, wanted)
    assert len(numbers) == min(total, wanted)
    assert (np.diff(numbers) > 0).all()
    assert numbers.min() >= 0
    assert numbers.max() < total
    gaps = np.diff(numbers)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1
    assert abs(numbers[0] - (total - 1 - numbers[-1])) <= 1  # as far from both ends


def test_frames_are_those_that_ffmpeg_decodes(real_video):
    frames, expected = decode(real_video, 5), every_frame(real_video)
    assert frames.total == len(expected)
    assert (frames.numbers == evenly_spaced(len(expected), 5)).all()
    assert frames.timestamps == pytest.approx(frames.numbers / 25, abs=1e-3)
    difference = np.abs(frames.pixels.astype(int) - expected[frames.numbers])
    assert difference.max() <= 3  # two ways of turning YUV into RGB round differently


def test_a_short_video_gives_what_it_has(real_video):
    frames = decode(real_video, 1000)
    assert len(frames.pixels) == frames.total < 1000


def test_numbers_beyond_the_end_are_left_out(real_video):
    total = decode(real_video, 1).total
    pixels, there = decode_numbers(real_video, np.array([0, total - 1, total, 10_000]))
    assert there.tolist() == [True, True, False, False]
    assert len(pixels) == 2


def faststart(source, target):
    """The same video with its index in front, so that a cut file still opens."""
    with (
        av.open(str(source)) as read,
        av.open(
            str(target), "w", format="mp4", options={"movflags": "faststart"}
        ) as write,
    ):
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                write.mux(packet)


def spoil(kind, video, target):
    content = video.read_bytes()
    if kind == "zero bytes":
        target.write_bytes(b"")
    elif kind == "text":
        target.write_text("these are words and no video\n" * 500)
    elif kind == "cut, index gone":
        target.write_bytes(content[: len(content) // 2])
    elif kind == "cut, index in front":
        faststart(video, target)
        whole = target.read_bytes()
        target.write_bytes(whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("missing", "missing"),
        ("zero bytes", "empty"),
        ("text", "unreadable"),
        ("cut, index gone", "unreadable"),
        ("cut, index in front", "unreadable"),
    ],
)
def test_bad_files_give_a_status_and_a_reason(real_video, tmp_path, kind, status):
    target = tmp_path / "bad.mp4"
    spoil(kind, real_video, target)
    with pytest.raises(VideoError) as caught:
        decode(target, 5)
    assert caught.value.status == status
    assert len(str(caught.value)) > 10
