"""Write a project for ViRelAy, a viewer of clustered heatmaps. It is not imported.

The files, in the layout of the viewer's version 0.6, hold the sample that was
clustered:

    project.yaml        names, and where the other files are
    label-map.json      index, word_net_id and name of each label: real and each method
    dataset.h5          data (N, 3, S, S) uint8, label (N,) uint16
    attribution.h5      attribution (N, 3, S, S) float32: a third of the map in each
                        channel, because the viewer adds up channels and cannot draw a
                        single one; prediction (N, 2) float32 (probability of real, of
                        fake), label, index (N,) uint32
    analysis.h5         <category>/index, embedding/spectral (n, 2), cluster/spectral:
                        a category `all`, and one for each label
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import yaml

from pipeline.attributions.shards import AttributionShard
from pipeline.faces.shards import FaceShard
from pipeline.files.atomic import replacing
from pipeline.models.predictions import probability
from pipeline.videos.table import REAL

ALL_CATEGORY = "all"


def write_project(
    folder: Path,
    members: pd.DataFrame,
    attributions: Sequence[Path],
    faces: Sequence[Path],
    *,
    title: str,
    model: str,
) -> None:
    """Write a project of the frames of `members`, with one in memory at a time.

    `members` has shard, place, crop, method, logit, cluster, x and y of each frame.
    `attributions` and `faces` are the files of the test shards. The project file is
    written last, so that an incomplete project has none.
    """
    members = members.reset_index(drop=True)
    names = [REAL, *sorted(set(members["method"]) - {REAL})]
    labels = members["method"].map(names.index).to_numpy(np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "label-map.json") as part:
        part.write_text(json.dumps(_label_map(names), indent=1), encoding="utf-8")
    with (
        replacing(folder / "dataset.h5") as data_part,
        replacing(folder / "attribution.h5") as map_part,
        h5py.File(data_part, "w") as data,
        h5py.File(map_part, "w") as maps,
    ):
        _write_frames(data, maps, members, attributions, faces)
        data["label"] = maps["label"] = labels
        fake = probability(members["logit"].to_numpy())
        maps["prediction"] = np.column_stack([1 - fake, fake]).astype(np.float32)
        maps["index"] = np.arange(len(members), dtype=np.uint32)
    with (
        replacing(folder / "analysis.h5") as part,
        h5py.File(part, "w") as analysis,
    ):
        for label, name in enumerate([ALL_CATEGORY, *names], start=-1):
            is_chosen = (labels == label) | (name == ALL_CATEGORY and label < 0)
            chosen = np.flatnonzero(is_chosen)
            if len(chosen):
                _write_category(analysis, _category(name), members.iloc[chosen])
    with replacing(folder / "project.yaml") as part:
        part.write_text(_project(title, model), encoding="utf-8")


def _category(name: str) -> str:
    """A name that HDF5 and the viewer accept: a slash would create a group."""
    return name.replace("/", "_").strip(".") or "_"


def _label_map(names: Sequence[str]) -> list[dict[str, int | str]]:
    keys = ("index", "word_net_id", "name")
    rows = [(index, _category(name), name) for index, name in enumerate(names)]
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _write_frames(
    data: h5py.File,
    maps: h5py.File,
    members: pd.DataFrame,
    attributions: Sequence[Path],
    faces: Sequence[Path],
) -> None:
    """Write crops and maps of the members, one shard after the other."""
    maps_of, faces_of = ({p.stem: p for p in paths} for paths in (attributions, faces))
    with FaceShard(faces[0]) as shard:
        size = shard.crops.shape[1]
    shape = (len(members), 3, size, size)
    storage: dict[str, Any] = {"chunks": (1, 3, size, size), "compression": "lzf"}
    pictures = data.create_dataset("data", shape, np.uint8, **storage)
    stored = maps.create_dataset("attribution", shape, np.float32, **storage)
    for name, rows in members.groupby("shard"):
        with (
            AttributionShard(maps_of[name]) as found,
            FaceShard(faces_of[name]) as shard,
        ):
            for index, row in rows.iterrows():
                pictures[index] = shard.crops[row["crop"]].transpose(2, 0, 1)
                stored[index] = found.maps[row["place"]].astype(np.float32) / 3


def _write_category(file: h5py.File, name: str, members: pd.DataFrame) -> None:
    group = file.create_group(name)
    group["index"] = members.index.to_numpy(np.uint32)
    group["embedding/spectral"] = members[["x", "y"]].to_numpy(np.float32)
    group["cluster/spectral"] = members["cluster"].to_numpy(np.uint32)


def _project(title: str, model: str) -> str:
    """The content of the project file. YAML quotes names that need it."""
    return yaml.safe_dump(
        {
            "project": {
                "name": title,
                "model": model,
                "label_map": "label-map.json",
                "dataset": {"name": title, "type": "hdf5", "path": "dataset.h5"},
                "attributions": {
                    "attribution_method": "Integrated Gradients",
                    "attribution_strategy": "predicted_label",
                    "sources": ["attribution.h5"],
                },
                "analyses": [
                    {"analysis_method": "SpRAy", "sources": ["analysis.h5"]},
                ],
            }
        },
        allow_unicode=True,
        sort_keys=False,
    )
