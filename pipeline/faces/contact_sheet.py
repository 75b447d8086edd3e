"""One picture of a shard: a crop of each video, with the status of the video."""

import textwrap
from collections.abc import Iterator

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pipeline.faces.shards import FaceShard
from pipeline.videos.status import USABLE_STATUSES, VideoStatus

THUMBNAIL, CAPTION, GAP, TITLE = 128, 32, 8, 32  # px: sides or heights
COLUMNS = 10
MAX_VIDEOS = 500  # on a sheet; failed videos are drawn first
TEXT_COLOUR, BACKGROUND_COLOUR, EMPTY_COLOUR = "#1a1a1a", "#ffffff", "#e6e6e6"
# Frames of thumbnails, in colours that colour-blind people can distinguish.
OK_COLOUR, PARTIAL_COLOUR, FAILED_COLOUR = "#0072b2", "#e69f00", "#d55e00"


def contact_sheet(shard: FaceShard) -> Image.Image:
    """Draw the sheet of an open shard. Videos without crops are drawn first."""
    videos = shard.videos.assign(crop=list(_middle_crops(shard)))
    usable = videos["status"].isin(USABLE_STATUSES)
    rank = usable.astype(int) + (videos["status"] == VideoStatus.OK)
    videos = videos.loc[rank.sort_values(kind="stable").index]
    shown = videos.head(MAX_VIDEOS)
    columns = max(1, min(COLUMNS, len(shown)))
    rows = -(-len(shown) // columns)
    width = max(GAP + columns * (THUMBNAIL + GAP), 480)
    sheet = Image.new(
        "RGB", (width, TITLE + rows * (THUMBNAIL + CAPTION + GAP)), BACKGROUND_COLOUR
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 9), _title(shard.path.stem, videos), TEXT_COLOUR, _font(14))
    for number, video in enumerate(shown.itertuples()):
        left = GAP + number % columns * (THUMBNAIL + GAP)
        top = TITLE + number // columns * (THUMBNAIL + CAPTION + GAP)
        edge = (left, top, left + THUMBNAIL - 1, top + THUMBNAIL - 1)
        if video.crop >= 0:
            crop = Image.fromarray(shard.crops[video.crop])
            crop = crop.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
            sheet.paste(crop, (left, top))
        else:
            draw.rectangle(edge, EMPTY_COLOUR)
            reason = "\n".join(textwrap.wrap(video.reason, 19)[:8])
            draw.text((left + 6, top + 6), reason, TEXT_COLOUR, _font(11))
        colour = _colour(video.status)
        draw.rectangle(edge, outline=colour, width=3)
        name = video.path.rpartition("/")[2]
        draw.text((left, top + THUMBNAIL + 2), _fitted(name), TEXT_COLOUR, _font(11))
        summary = f"{video.method}, {video.status}, {video.crops}"
        draw.text((left, top + THUMBNAIL + 15), _fitted(summary), colour, _font(11))
    return sheet


def _middle_crops(shard: FaceShard) -> Iterator[int]:
    """For each video, the row of the middle crop of its main person; -1 for none."""
    main = shard.frames.query("subject == 0").groupby("video").groups
    for video in range(len(shard.videos)):
        crops = main.get(video, [])
        yield int(crops[len(crops) // 2]) if len(crops) else -1


def _title(name: str, videos: pd.DataFrame) -> str:
    counts = videos["status"].value_counts().sort_index()
    numbers = ", ".join(f"{count} {status}" for status, count in counts.items())
    more = f" (the first {MAX_VIDEOS} of them)" if len(videos) > MAX_VIDEOS else ""
    return f"{name}: {len(videos)} videos{more}: {numbers or 'none'}"


def _colour(status: str) -> str:
    if status == VideoStatus.OK:
        return OK_COLOUR
    return PARTIAL_COLOUR if status in USABLE_STATUSES else FAILED_COLOUR


def _fitted(text: str) -> str:
    """`text`, cut to the width of a thumbnail."""
    font = _font(11)
    while font.getlength(text) > THUMBNAIL and len(text) > 1:
        text = text[:-2] + "…"
    return text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
