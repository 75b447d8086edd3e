"""How well attribution maps agree with the masks of manipulated pixels.

A map can score well only because faces and masks are both in the middle of a crop. So
every score is also computed for two controls that do not depend on the frame: a blob in
the middle, and the training set's mean mask. Only the difference from them is evidence.

Notation: A is the heat, A+ its positive part, M the mask's pixels, Omega all pixels.
There are two truths. The official mask may also mark pixels that were not changed: it
is the tracked face, or a rectangle, depending on the method. The changed pixels are
those in which the fake differs from its original (`changed_pixels`); they are known for
frames that have an aligned original. The scores that compare a mask with other masks
(`shuffled_auc`) are those of the official masks alone.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.slices import ALL, SLICE_KEYS
from pipeline.statistics.resampling import (
    UNIT_COLUMNS,
    count_units,
    interval,
    resampled_means,
    units_of,
)

SCORES = (
    "relevance_mass",
    "mask_share",
    "lift",
    "rank_accuracy",
    "pointing_game",
    "auroc",
    "average_precision",
    "shuffled_auc",
    "shuffled_auc_best",
)
OFFICIAL, CHANGED = "official mask", "changed pixels"  # the truths
ATTRIBUTION = "attribution"
CONTROLS = ("centre", "mean mask")
# Scores whose difference from each control is in the table.
PAIRED_SCORES = ("relevance_mass", "rank_accuracy", "auroc", "shuffled_auc")
FRAME_COLUMNS = (*SLICE_KEYS, *UNIT_COLUMNS, "video", "truth", "heat", *SCORES)
COLUMNS = (*SLICE_KEYS, *"truth heat score value low high frames units".split())


def mask_scores(
    heat: np.ndarray, mask: np.ndarray, prior: np.ndarray
) -> dict[str, float]:
    """The `SCORES` of a heat map (S, S) float against a mask (S, S) uint8, 0 or 1.

    `prior` (S, S), 0..1, is the mean mask of the training set. All scores except `lift`
    are in 0..1. They depend on the order or the shares of the heat, not on its scale:

    - `relevance_mass`: A+(M) / A+(Omega). `mask_share`: |M| / |Omega|, the score of a
      constant map. `lift`: the ratio of the two. The first is from Arras et al. 2022.
    - `rank_accuracy`: the share of the |M| hottest pixels that lie in M (ibid.).
    - `pointing_game`: 1 if the hottest pixel lies in M, else 0 (Zhang et al. 2018),
      without blurring the heat.
    - `auroc` and `average_precision` of the signed heat over the pixels.
    - `shuffled_auc`: the probability that a pixel of M is hotter than a pixel of
      another mask. Each pixel, also in M, is weighted by how often other masks contain
      it: by `prior` (Tatler et al. 2005; Borji et al. 2013; here without drawing). A
      map that is the same for all frames gets 0.5 on average over the prior's masks, if
      they have equal sizes; over one method's masks it may get more or less. Without
      the negatives inside M, the middle would have an advantage again.
    - `shuffled_auc_best`: the largest possible `shuffled_auc`, which M itself gets as
      heat. It is near 0.5 if all masks are alike, and below 1 if masks overlap.

    Pixels of equal heat are in random order, and a score is the mean over the orders;
    `average_precision` counts them at once, as scikit-learn does. All scores are NaN if
    the mask is empty or full. `relevance_mass` and `lift` are NaN if no heat is
    positive, and the last two scores if `prior` is 0 everywhere. Raises ValueError if a
    heat is not finite.
    """
    inside = mask.ravel() > 0
    if inside.all() or not inside.any():
        return dict.fromkeys(SCORES, np.nan)
    if not np.isfinite(heat).all():
        raise ValueError("a heat map holds NaN or infinite values")
    share = inside.mean()
    mass = _relevance_mass(heat.ravel(), inside)
    scores = {"relevance_mass": mass, "mask_share": share, "lift": mass / share}
    scores |= _rank_scores(heat.ravel(), inside, prior.ravel())
    return {name: float(scores[name]) for name in SCORES}


def _relevance_mass(heat: np.ndarray, inside: np.ndarray) -> float:
    positive = np.clip(heat.astype(np.float64), 0, None)
    total = positive.sum()
    return positive[inside].sum() / total if total > 0 else np.nan


def _rank_scores(
    heat: np.ndarray, inside: np.ndarray, prior: np.ndarray
) -> dict[str, float]:
    """The scores that depend only on the order of the pixels.

    The pixels are sorted once, into T levels of equal heat, the hottest first.
    """
    if heat.dtype == np.float16:
        heat = heat.astype(np.float32)  # sorts six times as fast
    _, level, sizes = np.unique(-heat, return_inverse=True, return_counts=True)
    marked = np.bincount(level, inside)  # (T,) pixels of M on each level
    weights = np.bincount(level, prior)
    marked_sum, size_sum = marked.cumsum(), sizes.cumsum()
    count = marked_sum[-1]  # |M|
    last = np.searchsorted(size_sum, count)  # the level of the last of the |M| hottest
    surplus = marked[last] * (size_sum[last] - count) / sizes[last]
    has_prior = weights.sum() > 0
    best = 1 - prior[inside].sum() / prior.sum() / 2 if has_prior else np.nan
    return {
        "rank_accuracy": (marked_sum[last] - surplus) / count,
        "pointing_game": marked[0] / sizes[0],
        "auroc": _area(marked, sizes - marked),
        "average_precision": (marked * marked_sum / size_sum).sum() / count,
        "shuffled_auc": _area(marked, weights) if has_prior else np.nan,
        "shuffled_auc_best": best,
    }


def _area(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Area under the ROC curve of weights (T,) at each level, the hottest first."""
    hotter = positives.cumsum() - positives / 2
    return (negatives * hotter).sum() / (positives.sum() * negatives.sum())


def centre_prior(size: int) -> np.ndarray:
    """An isotropic Gaussian in the middle, (size, size) float64, about 1 at its peak.

    Its standard deviation is a quarter of the side, so that two of them reach the
    edges. The width only matters for the mass scores.
    """
    away = (np.arange(size) - (size - 1) / 2) / (size / 4)
    return np.exp(-(away[:, None] ** 2 + away**2) / 2)


def control_heats(size: int, prior: np.ndarray | None) -> dict[str, np.ndarray]:
    """The `CONTROLS`, each (S, S) with S = `size`, for a mean training mask `prior`.

    Without training videos `prior` is None, and the control of its name is missing.
    """
    heats = (centre_prior(size), prior)
    controls = dict(zip(CONTROLS, heats, strict=True))
    return {name: heat for name, heat in controls.items() if heat is not None}


def agreement_table(frames: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Agreement with the masks: one row for each slice, truth, heat and score.

    `frames` has one row for each frame, truth and heat, with the columns
    `FRAME_COLUMNS`: `truth` is OFFICIAL or CHANGED, `heat` is "attribution" or one of
    `CONTROLS`, `video` the video's id. Scores may be NaN. Returns the columns
    `COLUMNS`:

    - dataset, compression, method: each value, and "all" of them. "all" data sets or
      compressions are there only if there are several; "all" methods are all fakes.
    - heat: also "attribution - centre" and "attribution - mean mask": the differences
      of a video's means, for `PAIRED_SCORES`.
    - value: the mean over videos of each video's mean over its frames.
    - low, high: the 95 % interval over `resamples` resamples of units. With one seed,
      all heats, scores and slices use the same resamples.
    - frames, units: how many have the score. A score that no frame has is left out.
    """
    scored = frames.dropna(subset=list(SCORES), how="all")
    rows = [
        (*row[:3], truth, *row[3:])
        for truth, part in scored.groupby("truth", sort=False)
        for row in _agreement_rows(part, resamples, seed)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _agreement_rows(
    frames: pd.DataFrame, resamples: int, seed: int
) -> list[tuple[Any, ...]]:
    """The rows of `agreement_table` for one truth, without its column."""
    means, counts = _by_video(frames)
    rows: list[tuple[Any, ...]] = []
    for names, part in _slices(means.index):
        chosen = means[part]
        values = chosen.to_numpy()  # (V, K)
        units = units_of(chosen.index.to_frame())
        scored_frames = counts[part].to_numpy().sum(0)  # (K,)
        resampled = resampled_means(values, units, resamples, seed)
        for column, (heat, score) in enumerate(chosen.columns):
            known = np.flatnonzero(np.isfinite(values[:, column]))
            if not len(known):
                continue
            value = round(float(values[known, column].mean()), 12)  # like the interval
            number = count_units(units[video] for video in known)
            bounds = interval(value, resampled[:, column], number)
            numbers = int(scored_frames[column]), number
            rows.append((*names, heat, score, value, *bounds, *numbers))
    return rows


def _by_video(scored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each video's mean over its frames, and the number of these frames.

    Both have one row for each video, indexed by `SLICE_KEYS`, units and video. Their
    columns are (heat, score): first of each heat, then of the differences.
    """
    keys = [*SLICE_KEYS, *UNIT_COLUMNS, "video", "heat"]
    grouped = scored.groupby(keys)[list(SCORES)]
    means = grouped.mean().unstack("heat").swaplevel(axis=1)
    counts = grouped.count().unstack("heat", fill_value=0).swaplevel(axis=1)
    heats = means.columns.unique(0)
    order = list(product(sorted(heats), SCORES))
    means, counts = means[order], counts[order]
    for control, score in product(CONTROLS, PAIRED_SCORES):
        if {control, ATTRIBUTION} <= set(heats):
            name = (f"{ATTRIBUTION} - {control}", score)
            means[name] = means[ATTRIBUTION, score] - means[control, score]
            counts[name] = counts[ATTRIBUTION, score].where(means[name].notna(), 0)
    return means, counts


def _slices(videos: pd.MultiIndex) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """The names of each slice that is not empty, and which videos it has, (V,) bool."""
    values = [videos.get_level_values(name) for name in SLICE_KEYS]
    datasets, compressions, methods = (sorted(v.unique()) for v in values)
    wide = [n if len(n) == 1 else [ALL, *n] for n in (datasets, compressions)]
    for names in product(*wide, [ALL, *methods]):
        part = np.ones(len(videos), bool)
        for name, value in zip(names, values, strict=True):
            part &= (name == ALL) | (value == name)
        if part.any():
            yield names, part
