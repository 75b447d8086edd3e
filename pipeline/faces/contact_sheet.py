"""One picture of a shard: a crop of each video, and what came of it."""

import textwrap
from collections.abc import Iterator

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pipeline.faces.shards import FaceShard
from pipeline.videos.status import USABLE_STATUSES, VideoStatus

CELL, TEXT, GAP, TITLE = 128, 32, 8, 32  # px: a crop, two lines, space, the first line
COLUMNS = 10
MOST = 500  # videos on a sheet; failed ones come first
INK, PAPER, EMPTY = "#1a1a1a", "#ffffff", "#e6e6e6"
COLOURS = {VideoStatus.OK: "#0072b2"}  # by status; told apart by the colour-blind too
PARTLY, FAILED = "#e69f00", "#d55e00"


def contact_sheet(shard: FaceShard) -> Image.Image:
    """Draw the sheet of an open shard, videos that gave no crops first."""
    videos = shard.videos.assign(crop=list(_middle_crops(shard)))
    usable = videos["status"].isin(USABLE_STATUSES)
    order = usable.astype(int) + (videos["status"] == VideoStatus.OK)
    videos = videos.loc[order.sort_values(kind="stable").index]
    shown = videos.head(MOST)
    columns = max(1, min(COLUMNS, len(shown)))
    rows = -(-len(shown) // columns)
    width = max(GAP + columns * (CELL + GAP), 480)
    sheet = Image.new("RGB", (width, TITLE + rows * (CELL + TEXT + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 9), _title(shard.path.stem, videos), INK, _font(14))
    for place, video in enumerate(shown.itertuples()):
        left = GAP + place % columns * (CELL + GAP)
        top = TITLE + place // columns * (CELL + TEXT + GAP)
        if video.crop >= 0:
            crop = Image.fromarray(shard.crops[video.crop])
            sheet.paste(crop.resize((CELL, CELL), Image.Resampling.BOX), (left, top))
        else:
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), EMPTY)
            reason = "\n".join(textwrap.wrap(video.reason, 19)[:8])
            draw.text((left + 6, top + 6), reason, INK, _font(11))
        colour = _colour(video.status)
        edge = (left, top, left + CELL - 1, top + CELL - 1)
        draw.rectangle(edge, outline=colour, width=3)
        name = video.path.rpartition("/")[2]
        draw.text((left, top + CELL + 2), _fitted(name), INK, _font(11))
        told = f"{video.method}, {video.status}, {video.crops}"
        draw.text((left, top + CELL + 15), _fitted(told), colour, _font(11))
    return sheet


def _middle_crops(shard: FaceShard) -> Iterator[int]:
    """For each video, the crop in the middle of its main subject's; -1 for none."""
    main = shard.frames.query("subject == 0").groupby("video").groups
    for number in range(len(shard.videos)):
        crops = main.get(number, [])
        yield int(crops[len(crops) // 2]) if len(crops) else -1


def _title(name: str, videos: pd.DataFrame) -> str:
    counts = videos["status"].value_counts().sort_index()
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    more = f" (the first {MOST} of them)" if len(videos) > MOST else ""
    return f"{name}: {len(videos)} videos{more}: {told or 'none'}"


def _colour(status: str) -> str:
    return COLOURS.get(status, PARTLY if status in USABLE_STATUSES else FAILED)


def _fitted(text: str) -> str:
    """`text`, cut to a cell's width."""
    font = _font(11)
    while font.getlength(text) > CELL and len(text) > 1:
        text = text[:-2] + "…"
    return text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
