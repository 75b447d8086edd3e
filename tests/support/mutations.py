"""Damaged videos: kinds that occur in practice, and kinds that an attacker makes."""

import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-threads", "1")
# Options with which the ffmpeg command makes intact videos from a plain one.
INTACT_VIDEOS = {
    "plain.mp4": ("-c", "copy"),
    "index_first.mp4": ("-c", "copy", "-movflags", "faststart"),
    "444.mp4": (*H264, "-pix_fmt", "yuv444p"),
    "fragments.mp4": ("-c", "copy", "-movflags", "frag_keyframe+empty_moov"),
    "matroska.mkv": ("-c", "copy"),
    "stream.ts": ("-c", "copy"),
    "old.avi": ("-c:v", "mpeg4", "-bf", "2", "-q:v", "4"),
    "uneven.mp4": (*H264, "-vf", "select=gt(mod(n\\,3)\\,0)", "-fps_mode", "vfr"),
    "groups.mp4": (*H264, "-g", "8", "-movflags", "faststart"),
}


def ffmpeg(*arguments: object) -> None:
    """Run the ffmpeg command; it prints errors only."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def intact_videos(clip: Path, folder: Path) -> dict[str, Path]:
    """Write the intact videos to `folder`. Returns their paths by name."""
    made = {}
    for name, options in INTACT_VIDEOS.items():
        made[name] = folder / name
        ffmpeg("-i", clip, *options, made[name])
    return made


def flip_bits(content: bytes, rng: np.random.Generator, count: int) -> bytes:
    """Flip `count` random bits."""
    damaged = bytearray(content)
    for position in rng.integers(0, len(damaged), count):
        damaged[position] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def zero_stretch(content: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite a random part, less than a third, with zeros."""
    start = int(rng.integers(len(content)))
    end = min(len(content), start + int(rng.integers(1, len(content) // 3)))
    return content[:start] + bytes(end - start) + content[end:]


def swap_stretches(content: bytes, rng: np.random.Generator) -> bytes:
    """Swap two random parts that are adjacent."""
    a, b, c = sorted(int(position) for position in rng.integers(0, len(content), 3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def boxes(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and kind of each box of an MP4, also of those inside `moov`."""
    stack = [(0, len(content))]
    while stack:
        start, end = stack.pop()
        while start + 8 <= end:
            size, kind = struct.unpack(">I4s", content[start : start + 8])
            if size < 8 or start + size > end:
                break
            yield start, start + size, kind
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"):
                stack.append((start + 8, start + size))
            start += size


def without(content: bytes, kind: bytes) -> bytes:
    """Rename all boxes of a kind in an MP4, so that readers ignore them."""
    for start, _, found in boxes(content):
        if found == kind:
            content = content[: start + 4] + b"junk" + content[start + 8 :]
    return content


def absurd_size(content: bytes, width: int, height: int) -> bytes:
    """Write a false frame size into the sample description and the track header."""
    at = content.find(b"avc1", content.find(b"stsd"))
    size = struct.pack(">HH", width & 0xFFFF, height & 0xFFFF)
    content = content[: at + 28] + size + content[at + 32 :]
    end = next(end for _, end, kind in boxes(content) if kind == b"tkhd")
    fixed_point = struct.pack(
        ">II", width << 16 & 0xFFFFFFFF, height << 16 & 0xFFFFFFFF
    )
    return content[: end - 8] + fixed_point + content[end:]


def absurd_table(content: bytes, kind: bytes, value: int) -> bytes:
    """Make the table `kind` (stsz, stts, ...) of an MP4 claim `value` entries."""
    for start, _, found in boxes(content):
        if found == kind:
            at = start + (16 if kind == b"stsz" else 12)
            return content[:at] + struct.pack(">I", value) + content[at + 4 :]
    return content


NamedContents = Iterator[tuple[str, bytes]]


def mutations(clip: Path, folder: Path, seed: int) -> NamedContents:
    """Names and contents of over 400 files. The same seed gives the same files."""
    rng = np.random.default_rng(seed)
    paths = intact_videos(clip, folder)
    intact = {name: path.read_bytes() for name, path in paths.items()}
    for name, content in intact.items():
        yield f"sound_{name}", content
        yield from _of_any(name, content, rng)
    for name in ("plain.mp4", "index_first.mp4", "groups.mp4", "444.mp4"):
        yield from _of_mp4(name, intact[name], rng)
    yield from _swapped_headers(intact)
    yield from _other_files(clip, folder, rng)


def _of_any(name: str, content: bytes, rng: np.random.Generator) -> NamedContents:
    """Damage that is possible in a file of any format."""
    for count in (1, 1, 1, 2, 3, 5, 10, 10, 30, 100, 300, 1000):
        label = f"flip{count}_{rng.integers(10**6)}_{name}"
        yield label, flip_bits(content, rng, count)
    shares = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
    for share in shares:
        yield f"cut{share}_{name}", content[: int(len(content) * share)]
        yield f"headless{share}_{name}", content[int(len(content) * share) :]
    for k in range(5):
        yield f"zeros{k}_{name}", zero_stretch(content, rng)
        yield f"swapped{k}_{name}", swap_stretches(content, rng)
    yield f"tail_{name}", content + rng.bytes(5000)
    yield f"{name}.png", content
    yield f"{name}.txt", content


def _of_mp4(name: str, content: bytes, rng: np.random.Generator) -> NamedContents:
    """Damage to the boxes of an MP4."""
    for number, (start, end, kind) in enumerate(boxes(content)):
        label = f"{number}{kind.decode('latin1')}".replace("\xa9", "")
        yield f"cutbefore_{label}_{name}", content[:start]
        yield f"cutinside_{label}_{name}", content[: (start + end) // 2]
    for kind in (
        b"moov",
        b"mdat",
        b"stsd",
        b"stsz",
        b"stco",
        b"stts",
        b"ftyp",
        b"avcC",
    ):
        yield f"no{kind.decode()}_{name}", without(content, kind)
    for width, height in ((65535, 65535), (0, 0), (1, 1), (16384, 16384), (7, 60000)):
        yield f"size{width}x{height}_{name}", absurd_size(content, width, height)
    for kind in (b"stsz", b"stts", b"stco", b"stsc", b"ctts", b"stss"):
        for value in (0, 1, 2**20, 2**31 - 1, 2**32 - 1):
            yield f"{kind.decode()}{value}_{name}", absurd_table(content, kind, value)


def _swapped_headers(intact: dict[str, bytes]) -> NamedContents:
    """Files that begin as one intact video and continue as another."""
    names = list(intact)
    for one, other in zip(names, names[1:] + names[:1], strict=True):
        for size in (32, 1000, 4096):
            content = intact[one][:size] + intact[other][size:]
            yield f"head{size}_{one}_{other}.mp4", content


def _other_files(clip: Path, folder: Path, rng: np.random.Generator) -> NamedContents:
    """Unusual videos, and files that are not videos."""
    made: dict[str, Callable[[Path], None]] = {
        "one_frame.mp4": lambda to: ffmpeg("-i", clip, "-frames:v", 1, to),
        "two_frames.mp4": lambda to: ffmpeg("-i", clip, "-frames:v", 2, to),
        "audio.mp4": lambda to: ffmpeg(
            "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", to
        ),
        "tiny.mp4": lambda to: ffmpeg("-i", clip, *H264, "-vf", "scale=16:16", to),
        "thin.mp4": lambda to: ffmpeg("-i", clip, *H264, "-vf", "scale=2:2000", to),
        "picture.png": lambda to: ffmpeg("-i", clip, "-frames:v", 1, to),
        "moving.gif": lambda to: ffmpeg("-i", clip, to),
        "edited.mp4": lambda to: ffmpeg(
            "-ss", 0.3, "-i", clip, "-t", 0.4, "-c", "copy", to
        ),
    }
    for turn in (90, 180, 270, 45):
        made[f"turned{turn}.mp4"] = lambda to, turn=turn: ffmpeg(
            "-display_rotation", turn, "-i", clip, "-c", "copy", to
        )
    for name, make in made.items():
        make(folder / name)
        yield name, (folder / name).read_bytes()
    for size in (1, 7, 8, 100, 10_000):
        yield f"random{size}.mp4", rng.bytes(size)
        yield f"nothing{size}.mp4", bytes(size)
    yield "empty.mp4", b""
    yield "text.mp4", b"these are words and no video\n" * 300
    yield "playlist.mp4", f"#EXTM3U\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n".encode()
    yield "list.mp4", f"ffconcat version 1.0\nfile {clip}\n".encode()
