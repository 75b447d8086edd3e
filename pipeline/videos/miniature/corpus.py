"""Write the miniature corpus to disk, as H.264 files in FaceForensics++'s folders."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pandas as pd

from pipeline.config.miniature import MiniatureConfig
from pipeline.files.atomic import replacing
from pipeline.videos.miniature.forgeries import draw_strength, forged_frames
from pipeline.videos.miniature.motion import FRAME_RATE
from pipeline.videos.miniature.scene import Scene, make_scene
from pipeline.videos.sources.faceforensics import video_path
from pipeline.videos.table import REAL

# The bytes that x264's AVX-512 code writes depend on memory addresses.
X264_PARAMS = "threads=1:asm=avx2"
CRF = {"c23": 23, "c40": 40, "mask": 12}  # x264's constant rate factor


def render_sequence(row: pd.Series, config: MiniatureConfig, root: Path) -> None:
    """Render a video in every compression of `config.written`, and its mask.

    `row` is a row of the table of videos. The same row and config give the same bytes
    on the same machine.
    """
    length = (config.min_frames, config.max_frames)
    target = _scene(config.seed, int(row.target), length)
    if row.method == REAL:
        frames, masks = [one.frame for one in target.takes], []
    else:
        source = _scene(config.seed, int(row.source), length)
        people = int(row.target), int(row.source)
        strength = draw_strength(config.seed, row.method, *people)
        forged = forged_frames(row.method, target, source, strength)
        frames, masks = (list(part) for part in zip(*forged, strict=True))
    name = Path(row.path).stem
    for compression in config.written:
        path = root / video_path(row.method, compression, name)
        write_video(path, frames, CRF[compression])
    if masks:
        write_video(root / row["mask"], masks, CRF["mask"])


@lru_cache(maxsize=2)  # a scene keeps its frames in memory
def _scene(seed: int, number: int, frames: tuple[int, int]) -> Scene:
    return make_scene(seed, number, frames)


def write_video(
    path: Path, frames: Iterable[np.ndarray], crf: int, *, layout: str = "yuv420p"
) -> None:
    """Encode frames, (H, W, 3) RGB or (H, W) grey uint8, as H.264 in an MP4 file.

    `crf` is x264's constant rate factor. `layout` is the pixel format: yuv420p, or
    yuv444p as in FaceForensics++.
    """
    frames = iter(frames)
    first = next(frames)
    with replacing(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = layout
        stream.options = {
            "crf": str(crf),
            "preset": "veryfast",
            "x264-params": X264_PARAMS,
        }
        for pixels in chain([first], frames):
            pixel_format = "rgb24" if pixels.ndim == 3 else "gray"
            frame = av.VideoFrame.from_ndarray(pixels, format=pixel_format)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
