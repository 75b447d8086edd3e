"""How well attribution maps agree with the masks of manipulated pixels.

A map can score well for reasons that have nothing to do with the detector: faces and
masks are both in the middle of a crop, and an attribution is large where the frame
differs from its baseline. So every score is also computed for controls that know no
detector, or none that was trained (`heats.CONTROLS`). Only the difference from all of
them is evidence.

Notation: A is the heat, A+ its positive part, M the mask's pixels, Omega all pixels.
There are two truths. The official mask may also mark pixels that were not changed: it
is the tracked face, or a rectangle, depending on the method. The changed pixels are
those in which the fake differs from its original (`changed_pixels`); they are known for
frames that have an aligned original. The scores that compare a mask with other masks
(`shuffled_auc`) are those of the official masks alone.

`paired_specificity` is of fakes whose own real frame is known: the fake's heat minus
the heat of its own real frame, from the same baseline, inside the same mask
(`paired_specificity`). A heat that does not depend on the frame gets exactly 0.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any, cast

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import OUTCOMES
from pipeline.atlases.heats import ABSOLUTE, ATTRIBUTION, CONTROLS, HEATS
from pipeline.atlases.scales import BLUR, SCALES
from pipeline.atlases.video_means import VIDEO_KEYS, video_means
from pipeline.metrics.slices import ALL, SLICE_KEYS

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
PAIRED_SPECIFICITY = "paired_specificity"
ALL_SCORES = (*SCORES, PAIRED_SPECIFICITY)
OFFICIAL, CHANGED = "official mask", "changed pixels"
TRUTHS = (OFFICIAL, CHANGED)
# Scores whose difference from each control is in the table, and which are split by
# outcome.
COMPARED_SCORES = (
    *("relevance_mass", "lift", "rank_accuracy", "auroc", "shuffled_auc"),
    PAIRED_SPECIFICITY,
)
COLUMNS = (
    *SLICE_KEYS,
    *"outcome truth scale heat score value low high frames units".split(),
)


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
    return ranked_scores(rank_heat(heat), mask, prior)


@dataclass(frozen=True)
class RankedHeat:
    """The pixels of a heat map, sorted once for several masks.

    Attributes:
        positive: (S * S,) float64: the positive part of the heat.
        level: (S * S,): the level of each pixel, of T levels of equal heat. Level 0 is
            the hottest.
        sizes: (T,): the number of pixels on each level.
    """

    positive: np.ndarray
    level: np.ndarray
    sizes: np.ndarray


def rank_heat(heat: np.ndarray) -> RankedHeat:
    """Sort the pixels of a heat (S, S). Raises ValueError if it is not finite."""
    if not np.isfinite(heat).all():
        raise ValueError("a heat map holds NaN or infinite values")
    flat = heat.ravel()
    if flat.dtype == np.float16:
        flat = flat.astype(np.float32)  # sorts six times as fast
    _, level, sizes = np.unique(-flat, return_inverse=True, return_counts=True)
    return RankedHeat(np.clip(flat.astype(np.float64), 0, None), level, sizes)


def ranked_scores(
    heat: RankedHeat, mask: np.ndarray, prior: np.ndarray
) -> dict[str, float]:
    """`mask_scores` of a heat whose pixels are sorted already."""
    inside = mask.ravel() > 0
    if inside.all() or not inside.any():
        return dict.fromkeys(SCORES, np.nan)
    share = inside.mean()
    mass = relevance_mass(heat, mask)
    scores = {"relevance_mass": mass, "mask_share": share, "lift": mass / share}
    scores |= _rank_scores(heat, inside, prior.ravel())
    return {name: float(scores[name]) for name in SCORES}


def relevance_mass(heat: RankedHeat, mask: np.ndarray) -> float:
    """The share of the positive heat that lies in a mask (S, S); NaN if no heat is
    positive."""
    total = heat.positive.sum()
    inside = mask.ravel() > 0
    return float(heat.positive[inside].sum() / total) if total > 0 else np.nan


def paired_specificity(heat: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """How much more heat a fake has in its mask than its own real frame: -2..2.

    `heat` and `other` (S, S) are the signed heats of the fake and of its own real
    frame, `mask` (S, S) is the fake's. The score is the sum of their difference over
    the mask, minus the mask's share of the sum over all pixels, divided by the mean of
    the sums of absolute values. So it is 0 for equal heats, and for a difference that
    is spread evenly. NaN if the mask is empty or full, or if both heats are 0.
    """
    inside = mask > 0
    size = (np.abs(heat).sum() + np.abs(other).sum()) / 2
    if inside.all() or not inside.any() or size == 0:
        return np.nan
    difference = heat - other
    extra = difference[inside].sum() - inside.mean() * difference.sum()
    return float(extra / size)


def _rank_scores(
    heat: RankedHeat, inside: np.ndarray, prior: np.ndarray
) -> dict[str, float]:
    """The scores that depend only on the order of the pixels."""
    level, sizes = heat.level, heat.sizes
    marked = np.bincount(level, inside, len(sizes))  # (T,) pixels of M on each level
    weights = np.bincount(level, prior, len(sizes))
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


def agreement_table(
    frames: pd.DataFrame, scores: np.ndarray, resamples: int, seed: int
) -> pd.DataFrame:
    """Agreement with the masks: one row for each slice, outcome, truth, scale, heat and
    score.

    `frames` has the columns VIDEO_KEYS and `outcome`, and `scores` the scores of the
    same N frames: (N, TRUTHS, SCALES, HEATS, ALL_SCORES), NaN where unknown. Returns
    the columns `COLUMNS`:

    - dataset, compression, method: each value, and "all" of them. "all" data sets or
      compressions are there only if there are several; "all" methods are all fakes.
    - outcome: "all", and at the scale BLUR also "right" and "wrong", for the scores
      that are compared with controls.
    - heat: also "<heat> - <control>", such as "attribution - centre": the differences
      of each frame, for COMPARED_SCORES.
    - value: the mean over videos of each video's mean over its frames.
    - low, high: the 95 % interval over `resamples` resamples of units. With one seed,
      all heats, scores and slices use the same resamples.
    - frames, units: how many have the score. A score that no frame has is left out.
    """
    rows: list[tuple[Any, ...]] = []
    outcomes = frames["outcome"].to_numpy(str)
    for (place, truth), (level, scale) in product(enumerate(TRUTHS), enumerate(SCALES)):
        found = _by_heat(frames, scores[:, place, level])
        compared = [name for name in found if name[1] in COMPARED_SCORES]
        parts = [(ALL, found)]
        if scale == BLUR:
            split = found[compared]
            parts += [(name, split[outcomes == name]) for name in OUTCOMES]
        for outcome, part in parts:
            known = part.dropna(how="all").dropna(how="all", axis=1)
            for one in video_means(known, resamples, seed):
                heat, score = cast("tuple[str, str]", one.column)
                names = (*one.names, outcome, truth, scale, heat, score)
                rows.append(
                    (*names, one.value, one.low, one.high, one.frames, one.units)
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_heat(frames: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """The scores (N, HEATS, ALL_SCORES) as a table, indexed by VIDEO_KEYS.

    Its columns are (heat, score): first of each heat, then of the differences.
    """
    index = pd.MultiIndex.from_frame(frames[VIDEO_KEYS])
    columns = {
        (heat, name): scores[:, n, k].astype(np.float64)
        for n, heat in enumerate(HEATS)
        for k, name in enumerate(ALL_SCORES)
    }
    for heat, control, name in product(
        (ATTRIBUTION, ABSOLUTE), CONTROLS, COMPARED_SCORES
    ):
        difference = columns[heat, name] - columns[control, name]
        columns[f"{heat} - {control}", name] = difference
    return pd.DataFrame(columns, index)
