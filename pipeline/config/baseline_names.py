"""The names of baselines, which are also folders of results."""

from typing import Literal

Baseline = Literal[
    "black",
    "grey",
    "white",
    "blurred",
    "mean_face",
    "noise",
    "original",
    "nearest_real",
]
ORIGINAL: Baseline = "original"  # only aligned frames of fakes have it
# Baselines that are made from real faces, and the split of these faces.
REAL_FACE_SPLITS: dict[Baseline, str] = {"mean_face": "train", "nearest_real": "val"}
