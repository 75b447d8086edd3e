"""Decoding gives exactly the frames asked for, and a reason for every bad file."""

import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from pipeline.runtime.errors import StepError
from pipeline.statistics.sampling import evenly_spaced
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import FrameIndex
from pipeline.videos.decoding.video import open_video
from pipeline.videos.decoding.with_pyav import needed_packets

DECODERS = ("pyav", "decord", "torchcodec")


def ffmpeg(*arguments: object) -> bytes:
    """Run the ffmpeg command; returns its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    command += [str(argument) for argument in arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def every_frame(path: Path, height: int, width: int) -> np.ndarray:
    """All frames as the ffmpeg command decodes them, (T, H, W, 3)."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-")
    pixels = ffmpeg("-i", path, *raw)
    return np.frombuffer(pixels, np.uint8).reshape(-1, height, width, 3)


# Kinds of files: options of the ffmpeg command, from an H.264 file; suffix.
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-threads", "1")
KINDS = {
    "plain": (("-c", "copy"), "mp4"),
    "4:4:4": ((*H264, "-pix_fmt", "yuv444p"), "mp4"),
    "4:4:4, BT.709": (
        (
            *(*H264, "-pix_fmt", "yuv444p", "-colorspace", "1"),
            *("-vf", "scale=out_color_matrix=bt709"),
        ),
        "mp4",
    ),
    "4:4:4, full range": (
        (*H264, "-vf", "scale=out_range=full", "-pix_fmt", "yuvj444p"),
        "mp4",
    ),
    "10 bits": ((*H264, "-pix_fmt", "yuv420p10le"), "mp4"),
    "many B frames": ((*H264, "-bf", "8", "-b_strategy", "0", "-g", "40"), "mp4"),
    "open groups": ((*H264, "-g", "5", "-x264-params", "open-gop=1"), "mp4"),
    "key frames only": ((*H264, "-g", "1"), "mp4"),
    "BT.709": (
        (*H264, "-vf", "scale=out_color_matrix=bt709", "-colorspace", "1"),
        "mp4",
    ),
    "uneven times": (
        (*H264, "-vf", "select=gt(mod(n\\,3)\\,0)", "-fps_mode", "vfr"),
        "mp4",
    ),
    "fragments": (("-c", "copy", "-movflags", "frag_keyframe+empty_moov"), "mp4"),
    "Matroska": (("-c", "copy"), "mkv"),
    "transport stream": (("-c", "copy"), "ts"),
    "HEVC": (("-c:v", "libx265", "-x265-params", "log-level=none"), "mp4"),
    "VP9": (("-c:v", "libvpx-vp9", "-deadline", "realtime"), "webm"),
    "AV1": (("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"), "mkv"),
    "MPEG-4 in AVI": (("-c:v", "mpeg4", "-bf", "2", "-q:v", "3"), "avi"),
    "Motion JPEG": (("-c:v", "mjpeg", "-q:v", "3"), "avi"),
}
UNSUPPORTED = {("AV1", "decord")}  # its FFmpeg is too old
# Grey levels between two conversions of YUV to RGB.
MAX_DIFFERENCE, MAX_MEAN_DIFFERENCE = 3, 0.5
# At edges of colours, which two versions of swscale enlarge differently.
MAX_DIFFERENCE_OF_KIND = {"10 bits": 30}


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """Sixty frames of a drawn person."""
    from pipeline.videos.miniature.corpus import write_video
    from pipeline.videos.miniature.scene import make_scene, real_frames

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, real_frames(make_scene(3, 1, (60, 60))), 23)
    return path


@pytest.fixture(scope="session")
def files(clip) -> dict[str, Path]:
    """The clip in every kind of file."""
    made = {}
    for number, (kind, (options, extension)) in enumerate(KINDS.items()):
        made[kind] = clip.with_name(f"kind{number}.{extension}")
        ffmpeg("-i", clip, *options, made[kind])
    return made


def opened(path: Path, decoder: str):
    try:
        return open_video(path, decoder)
    except StepError as error:
        pytest.skip(str(error)[:200])


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
    assert (
        abs(numbers[0] - (total - 1 - numbers[-1])) <= 1
    )  # the same distance from both ends


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("kind", KINDS)
def test_frames_equal_those_of_the_ffmpeg_command(files, kind, decoder):
    if (kind, decoder) in UNSUPPORTED:
        pytest.skip(f"{decoder} does not support {kind}")
    video = opened(files[kind], decoder)
    expected = every_frame(files[kind], video.height, video.width)
    assert video.index.total == len(expected)
    for numbers in (
        evenly_spaced(len(expected), 7),
        np.arange(len(expected)),
        np.array([len(expected) - 1]),
    ):
        pixels, there = video.read(numbers)
        assert there.all()
        difference = np.abs(pixels.astype(int) - expected[numbers])
        assert difference.max() <= MAX_DIFFERENCE_OF_KIND.get(kind, MAX_DIFFERENCE)
        assert difference.mean() <= MAX_MEAN_DIFFERENCE


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_in_the_metadata_is_applied(clip, tmp_path, turn, decoder):
    target = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", turn, "-i", clip, "-c", "copy", target)
    video = opened(target, decoder)
    assert (video.height, video.width) == ((240, 320) if turn == 180 else (320, 240))
    expected = every_frame(target, video.height, video.width)
    pixels, _ = video.read(np.array([5, 40]))
    assert np.abs(pixels.astype(int) - expected[[5, 40]]).mean() < 0.5


def edit_list(clip: Path, folder: Path) -> tuple[Path, int]:
    """A file with an edit list that shows only the middle, and the number of frames."""
    target = folder / "edited.mp4"
    ffmpeg("-ss", "1.0", "-i", clip, "-t", "0.6", "-c", "copy", target)
    return target, len(every_frame(target, 240, 320))


@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_only_the_frames_of_an_edit_list_are_shown(clip, tmp_path, decoder):
    path, shown = edit_list(clip, tmp_path)
    video = opened(path, decoder)
    assert video.index.total == shown < 40
    pixels, there = video.read(np.arange(shown))
    assert there.all()
    expected = every_frame(path, 240, 320)
    assert np.abs(pixels.astype(int) - expected).mean() < 0.5


def test_decord_is_refused_for_an_edit_list(clip, tmp_path):
    path, _ = edit_list(clip, tmp_path)
    with pytest.raises(VideoError, match=r"decord counts .* use decoder pyav"):
        open_video(path, "decord")


def test_torchcodec_without_ffmpeg_stops_the_job(clip, monkeypatch):
    """Otherwise torchcodec fails at the first video, as if the video were bad."""
    torchcodec = pytest.importorskip("torchcodec")
    monkeypatch.setattr(torchcodec, "ffmpeg_major_version", None)
    monkeypatch.delitem(
        sys.modules, "pipeline.videos.decoding.with_torchcodec", raising=False
    )
    with pytest.raises(StepError, match="needs FFmpeg's shared libraries"):
        open_video(clip, "torchcodec")


def test_timestamps_are_seconds_from_the_start(files):
    even = open_video(files["plain"]).index.timestamps
    assert even == pytest.approx(np.arange(60) / 25, abs=1e-3)
    uneven = open_video(files["uneven times"]).index.timestamps
    kept = np.array([n for n in range(60) if n % 3])
    assert uneven == pytest.approx((kept - 1) / 25, abs=1e-3)


def index_of(pts, keyframe) -> FrameIndex:
    count = len(pts)
    return FrameIndex(
        np.array(pts),
        np.array(keyframe, bool),
        np.ones(count, bool),
        np.zeros(count, bool),
        *(0.04, 32, 32),
    )


def test_only_needed_packets_are_decoded():
    index = index_of([0, 2, 1, 3, 5, 4, 6], [1, 0, 0, 1, 0, 0, 1])
    needed, in_full = needed_packets(index, np.array([4]))
    assert needed.tolist() == [False] * 3 + [True, True] + [False] * 2
    assert np.flatnonzero(in_full).tolist() == [4]
    needed, _ = needed_packets(index, np.array([1, 6]))
    assert np.flatnonzero(needed).tolist() == [0, 1, 6]


def test_decoding_does_not_start_at_the_key_frame_of_an_open_group():
    index = index_of([0, 1, 4, 2, 3, 5], [1, 0, 1, 0, 0, 0])
    needed, _ = needed_packets(index, np.array([3]))
    assert np.flatnonzero(needed).tolist() == [0, 1, 2, 3]


def flipped(path: Path, target: Path, where: float) -> Path:
    content = bytearray(path.read_bytes())
    for offset in range(40):
        content[int(len(content) * where) + offset] ^= 0x55
    target.write_bytes(content)
    return target


def test_damaged_frames_and_those_that_refer_to_them_are_left_out(clip, tmp_path):
    groups = tmp_path / "groups.mp4"
    ffmpeg("-i", clip, *H264, "-g", "10", "-bf", "2", "-movflags", "faststart", groups)
    video = open_video(flipped(groups, tmp_path / "damaged.mp4", 0.5))
    numbers = np.arange(video.index.total)
    pixels, there = video.read(numbers)
    lost = numbers[~there]
    assert 1 <= len(lost) <= 10  # up to the next key frame
    assert lost.max() - lost.min() < 10
    undamaged, _ = open_video(groups).read(numbers)
    assert np.array_equal(pixels, undamaged[there])


@pytest.mark.parametrize("decoder", DECODERS)
def test_all_decoders_leave_out_frames_after_a_hole(clip, tmp_path, decoder):
    """An unfinished download leaves zero bytes, which decode without any error."""
    groups, holed = tmp_path / "groups.mp4", tmp_path / "holed.mp4"
    options = ("-pix_fmt", "yuv444p", "-g", "10", "-movflags", "faststart")
    ffmpeg("-i", clip, *H264, *options, groups)
    content = bytearray(groups.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    holed.write_bytes(content)
    video = opened(holed, decoder)
    if decoder == "pyav":
        _, there = video.read(np.arange(60))
        assert 1 <= (~there).sum() <= 20
    else:  # the frames before the hole
        lost = np.flatnonzero(~video.index.undamaged())[0]
        assert not video.read(np.array([lost]))[1].any()
        assert video.read(np.array([0]))[1].all()


def test_metadata_that_is_not_utf8_is_accepted(clip, tmp_path):
    path = tmp_path / "named.mp4"
    ffmpeg("-i", clip, "-c", "copy", "-metadata", "title=XXXX", path)
    path.write_bytes(path.read_bytes().replace(b"XXXX", b"\xd0\xff\xe9t"))
    _, there = open_video(path).read(np.arange(5))
    assert there.all()


def faststart(source, target):
    """Copy a video with its index at the front, so that a cut file still opens."""
    ffmpeg("-i", source, "-c", "copy", "-movflags", "faststart", target)


def spoil(kind, video, target):
    content = video.read_bytes()
    if kind == "zero bytes":
        target.write_bytes(b"")
    elif kind == "text":
        target.write_text("these are words, not a video\n" * 500)
    elif kind == "cut, index gone":
        target.write_bytes(content[: len(content) // 2])
    elif kind == "cut, index in front":
        faststart(video, target)
        complete = target.read_bytes()
        target.write_bytes(complete[: len(complete) * 2 // 3])
    elif kind == "audio only":
        sine = ("-f", "lavfi", "-i", "sine=duration=1")
        ffmpeg(*sine, "-c:a", "aac", target)
    elif kind == "playlist":
        target.write_text(f"#EXTM3U\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n")
    elif kind == "list of files":
        target.write_text(f"ffconcat version 1.0\nfile {video.name}\n")
        target.with_name(video.name).write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("missing", "missing", "no such file"),
        ("zero bytes", "empty", "no bytes"),
        ("text", "unreadable", "not a video"),
        ("cut, index gone", "unreadable", "not a video"),
        ("cut, index in front", "unreadable", r"cut short: \d+ of \d+ frames"),
        ("audio only", "unreadable", "no video stream"),
        ("playlist", "unreadable", "not a video"),  # it may name any file or address
        ("list of files", "unreadable", "not a video"),
    ],
)
def test_bad_files_give_a_status_and_a_reason(
    real_video, tmp_path, kind, status, reason
):
    target = tmp_path / "bad.mp4"
    spoil(kind, real_video, target)
    with pytest.raises(VideoError, match=reason) as caught:
        open_video(target).read(np.array([0]))
    assert caught.value.status == status
