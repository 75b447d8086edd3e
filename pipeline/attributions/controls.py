"""Control shards: what is measured on a sample of the fakes, beside their maps.

Layout (version 1), for n fakes of a test shard:

    frames/<column>         (n,): KEY_COLUMNS, and `network`, the number of the network
                            with random weights that explains the frame
    maps/<baseline>/
      random                (n, S, S) float16: the map of that network
      real                  (n, S, S) float16: the detector's map of the fake's own real
                            frame, from the same baseline
      real_change           (n, S, S) float16: |x - baseline| of that frame, summed over
                            the colours
      random_real           (n, S, S) float16: the map of the random network for it
    regions/<column>        see REGION_COLUMNS: a row for each frame and region
    curves/<column>         see CURVE_COLUMNS: a row for each frame, order and fraction
    attributes              format, version, provenance (JSON)

From the baseline `original`, only `random` is there: the own real frame is the
baseline. Without aligned originals, only `random` is there, and no row of regions and
curves. Maps of random networks are from `first_steps` gradients (with the engine
captum from `steps`), whatever their error: the scores that they are compared by hardly
depend on it. From `blurred`, the own real frame starts at its own blurred picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.attributions.frames import frame_keys
from pipeline.attributions.shards import KEY_COLUMNS
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked, read_table, write_table
from pipeline.statistics.seeds import stable_number

FORMAT, VERSION = "deepfake-atlas controls", 1
NETWORKS = 4  # with random weights; each frame is explained with one of them
REGION_COLUMNS = [
    *KEY_COLUMNS,
    "region",
    "area",  # the region's share of the crop
    "removal",  # see `region_effects`
    "insertion",
    "fake_logit",
    "original_logit",
    "map_logits",  # the sum of the map from `original` over the region; NaN without it
]
CURVE_COLUMNS = [
    *KEY_COLUMNS,
    "order",  # what the pixels are ordered by: a baseline's map, or a control
    "fraction",  # of the crop's pixels that are exchanged
    "insertion",  # the logit: see `curve_logits`
    "deletion",
    "fake_logit",
    "original_logit",
]


@dataclass(frozen=True)
class ControlMaps:
    """The control maps of one frame, (S, S) each. None if there is none."""

    random: np.ndarray | None = None
    real: np.ndarray | None = None
    real_change: np.ndarray | None = None
    random_real: np.ndarray | None = None


def choose_sample(
    frames: pd.DataFrame, aligned: np.ndarray | None, count: int
) -> pd.DataFrame:
    """Choose up to `count` fakes, of as many units as possible, in the shard's order.

    `frames` are the explained frames of a shard. `aligned` (N,) says which crops of the
    shard have an aligned original: if there are any, only they are chosen. The choice
    depends on the names of frames only.
    """
    fakes = frames[frames["label"] == 1]
    if aligned is not None:
        is_aligned = aligned[fakes["crop"].to_numpy(np.intp)]
        fakes = fakes[is_aligned] if is_aligned.any() else fakes
    ranks = [stable_number(f"control {key}") for key in frame_keys(fakes)]
    order = fakes.assign(rank=ranks).sort_values("rank")
    round_of_unit = order.groupby("unit").cumcount()
    first = round_of_unit.sort_values(kind="stable").index[:count]
    chosen = fakes.loc[first].sort_values("crop").reset_index(drop=True)
    return chosen.assign(network=np.arange(len(chosen)) % NETWORKS)


def write_controls(
    path: Path,
    frames: pd.DataFrame,
    maps: Mapping[str, Mapping[str, np.ndarray]],
    regions: pd.DataFrame,
    curves: pd.DataFrame,
    provenance: Mapping[str, Any],
) -> None:
    """Write a control shard, with the maps of each baseline by their names."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        for baseline, arrays in maps.items():
            for name, values in arrays.items():
                file.create_dataset(
                    f"maps/{baseline}/{name}",
                    data=values.astype(np.float16),
                    compression="gzip",
                    shuffle=True,
                )
        write_table(file.create_group("frames"), frames)
        write_table(file.create_group("regions"), regions[REGION_COLUMNS])
        write_table(file.create_group("curves"), curves[CURVE_COLUMNS])


class ControlShard:
    """Reads a control shard. Open it in a `with` block.

    Attributes: `frames`, `regions` and `curves`, the tables of the layout.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        self.frames = read_table(self.file["frames"])
        self.regions = read_table(self.file["regions"])
        self.curves = read_table(self.file["curves"])
        self._places = {crop: n for n, crop in enumerate(self.frames["crop"])}

    def __enter__(self) -> "ControlShard":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def maps_of(self, baseline: str, crop: int) -> ControlMaps | None:
        """The maps of the frame whose row in the shard is `crop`; None if it is not in
        the sample."""
        place = self._places.get(crop)
        if place is None:
            return None
        group = self.file.get(f"maps/{baseline}", {})
        names = ("random", "real", "real_change", "random_real")
        found = {name: group[name][place] for name in names if name in group}
        return ControlMaps(**found)
