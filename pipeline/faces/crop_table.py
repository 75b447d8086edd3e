"""The crops of several face shards as one table. Reading it needs no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.shards import FaceShard
from pipeline.videos.protocols import protocol_rows

VIDEO_COLUMNS = "video dataset compression method target source label has_mask".split()


def crop_table(
    shards: Sequence[Path], protocol: ProtocolConfig | None = None
) -> pd.DataFrame:
    """One row for each crop: columns of its video, and where the crop is stored.

    `shard` is the position in `shards`; `row` is the crop's row in that shard. With a
    `protocol`, the table has only the crops that the protocol trains on.
    """
    tables = []
    for number, path in enumerate(shards):
        with FaceShard(path) as shard:
            frames = shard.labelled_frames()[VIDEO_COLUMNS]
        tables.append(frames.assign(shard=number, row=np.arange(len(frames))))
    table = pd.concat(tables, ignore_index=True).astype({"label": int})
    if protocol is None:
        return table
    return table[protocol_rows(table, protocol)].reset_index(drop=True)
