"""Choose some of many frames."""

import numpy as np
import pandas as pd

from pipeline.statistics.seeds import stable_number, stable_share

MAX_VIDEOS, MAX_CROPS_PER_VIDEO = 500, 4


def evenly_spaced(total: int, wanted: int) -> np.ndarray:
    """Choose `wanted` of `total` frames: the middles of sections of equal length.

    Returns frame numbers (min(wanted, total),) int32, increasing, without repeats.
    """
    count = min(wanted, total)
    return ((2 * np.arange(count) + 1) * total // (2 * count)).astype(np.int32)


def keep_sample(keys: pd.DataFrame, max_frames: int) -> np.ndarray:
    """Choose at most `max_frames` of N frames: those with the smallest hashes.

    The columns of `keys`, such as video, subject and number, identify a frame. The
    choice depends neither on the order of the frames nor on the shards: the sample of
    all frames equals the sample of the concatenated samples of the shards. Shards can
    therefore be read one by one.

    Returns (N,) bool. Raises ValueError if two rows of `keys` are equal.
    """
    if keys.duplicated().any():
        raise ValueError("keep_sample: the keys of two frames are equal")
    names = ("\n".join(map(str, key)) for key in keys.itertuples(index=False))
    hashes = np.array([stable_number(name) for name in names], np.uint64)
    kept = np.zeros(len(keys), bool)
    kept[np.argsort(hashes, kind="stable")[:max_frames]] = True
    return kept


def sample_of_videos(table: pd.DataFrame) -> pd.DataFrame:
    """Choose at most MAX_CROPS_PER_VIDEO crops, evenly spaced, of MAX_VIDEOS videos.

    `table` is a crop table, with the columns video and row. The choice does not depend
    on how videos are sharded.
    """
    videos = sorted(table["video"].unique(), key=lambda v: (stable_share(v), v))
    wanted = table[table["video"].isin(videos[:MAX_VIDEOS])]
    chosen = wanted.groupby("video")["row"].transform(
        lambda rows: (
            rows.rank().sub(1).isin(evenly_spaced(len(rows), MAX_CROPS_PER_VIDEO))
        )
    )
    return wanted[chosen.astype(bool)]  # of an empty table, `chosen` is not bool
