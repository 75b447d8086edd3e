"""How well attribution maps agree with the masks of what was manipulated.

A map can score well because faces and masks are both in the middle of a crop. So every
score is also taken of two controls that have not seen the frame: a blob in the middle,
and the training set's mean mask. Only what a map has over them speaks for it.

Notation: A is the heat, A+ its positive part, M the mask's pixels, Omega all pixels.
Masks are those of `pipeline.faces.shards`: what an official mask marks is not always
what was changed.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd

from pipeline.metrics.slices import ALL, SLICE
from pipeline.statistics.bootstrap import MAX_WEIGHTS, interval

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
ATTRIBUTION = "attribution"
CONTROLS = ("centre", "mean mask")
PAIRED = ("relevance_mass", "rank_accuracy", "auroc", "shuffled_auc")
FRAME_COLUMNS = (*SLICE, "target", "video", "heat", *SCORES)
COLUMNS = (*SLICE, *"heat score value low high frames targets".split())


def mask_scores(
    heat: np.ndarray, mask: np.ndarray, prior: np.ndarray
) -> dict[str, float]:
    """The `SCORES` of one heat map (S, S) float against one mask (S, S) uint8, 0 or 1.

    `prior` (S, S), 0..1, is the mean mask of the training set. All scores are 0..1 but
    `lift`, and only the order or the shares of the heat count, not its size:

    - `relevance_mass` A+(M) / A+(Omega); `mask_share` |M| / |Omega|, what a flat map
      gets; `lift` the ratio of the two. The first is from Arras et al. 2022.
    - `rank_accuracy`: the share of the |M| hottest pixels that lie in M (ibid.).
    - `pointing_game`: 1 where the hottest pixel lies in M, else 0 (Zhang et al. 2018).
      The heat is not blurred.
    - `auroc` and `average_precision` of the signed heat over the pixels.
    - `shuffled_auc`: the chance that a pixel of M is hotter than a pixel of another
      mask; each pixel weighs as much as other masks hold it, by `prior`, inside M too
      (Tatler et al. 2005; Borji et al. 2013; here without drawing). A map that is the
      same for all frames gets 0.5 in the mean over the prior's masks, if they are of
      one size; of one method's masks it may get more or less. Leaving out the negatives
      inside M would bring the centre's advantage back.
    - `shuffled_auc_best`: the most that `shuffled_auc` can be, that of M itself as the
      heat. It is near 0.5 where all masks are alike, and below 1 where they overlap.

    Equally hot pixels are in random order, and scores are the mean over the orders;
    `average_precision` takes them at once, as scikit-learn does. All are NaN where the
    mask is empty or full, the first and `lift` also where no heat is positive, the last
    two where `prior` is 0 everywhere. Raises ValueError if a heat is not finite.
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
    """All that hangs on the pixels' order alone, from one sorting into T levels."""
    if heat.dtype == np.float16:
        heat = heat.astype(np.float32)  # sorts six times as fast
    _, level, sizes = np.unique(-heat, return_inverse=True, return_counts=True)
    marked = np.bincount(level, inside)  # (T,) pixels of M, hottest level first
    weights = np.bincount(level, prior)
    caught, taken = marked.cumsum(), sizes.cumsum()
    count = caught[-1]
    last = np.searchsorted(taken, count)  # the level of the last of the |M| hottest
    too_many = marked[last] * (taken[last] - count) / sizes[last]
    known = weights.sum() > 0
    best = 1 - prior[inside].sum() / prior.sum() / 2 if known else np.nan
    return {
        "rank_accuracy": (caught[last] - too_many) / count,
        "pointing_game": marked[0] / sizes[0],
        "auroc": _area(marked, sizes - marked),
        "average_precision": (marked * caught / taken).sum() / count,
        "shuffled_auc": _area(marked, weights) if known else np.nan,
        "shuffled_auc_best": best,
    }


def _area(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Area under the ROC curve of weights (T,) at each level, the hottest first."""
    hotter = positives.cumsum() - positives / 2
    return (negatives * hotter).sum() / (positives.sum() * negatives.sum())


def centre_prior(size: int) -> np.ndarray:
    """An isotropic Gaussian in the middle, (size, size) float64, about 1 at its peak.

    Its standard deviation is a quarter of the side: two of them reach the crop's edges.
    The width matters to the mass scores alone.
    """
    away = (np.arange(size) - (size - 1) / 2) / (size / 4)
    return np.exp(-(away[:, None] ** 2 + away**2) / 2)


def control_heats(prior: np.ndarray) -> dict[str, np.ndarray]:
    """The `CONTROLS`, each (S, S), for a mean training mask `prior` (S, S)."""
    return dict(zip(CONTROLS, (centre_prior(len(prior)), prior), strict=True))


def agreement_table(frames: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Tidy agreement with the masks: one row a slice x heat x score.

    `frames` has one row a frame x heat, with the columns `FRAME_COLUMNS`: `heat` is
    "attribution" or one of `CONTROLS`, `target` the identity of the data set, `video`
    the video's whole id, and scores may be NaN. Returns the columns `COLUMNS`:

    - dataset, compression, method: "all" fakes and each method's, of each data set and
      compression, and of "all" of them where there are several;
    - heat: also "attribution - centre" and "attribution - mean mask", the differences
      of a video's means, for the scores in `PAIRED`;
    - value: the mean over videos of each video's mean over its frames;
    - low, high: the middle 95 % of `resamples` means, with (dataset, target) drawn with
      replacement; NaN of a single one. A seed draws the same identities for all heats
      and scores of a slice, and for slices of as many identities;
    - frames, targets: how many have the score. A score that no frame has, has no row.
    """
    if frames.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    scored = frames.dropna(subset=list(SCORES), how="all")
    means, counts = _by_video(scored)
    rows = []
    for names, part in _slices(means.index):
        chosen = means[part]
        # Of each target, (T, K): sums over its videos, and how many they are.
        videos = chosen.groupby(["dataset", "target"])
        sums, known = videos.sum().to_numpy(), videos.count().to_numpy()
        scored_frames = counts[part].to_numpy().sum(0)  # (K,)
        drawn = _resampled_means(sums, known, resamples, seed)
        for column, (heat, score) in enumerate(chosen.columns):
            if not known[:, column].any():
                continue
            value = sums[:, column].sum() / known[:, column].sum()
            several = (known[:, column] > 0).sum() > 1
            bounds = interval(drawn[:, column]) if several else (np.nan, np.nan)
            value = round(float(value), 12)  # as the interval is
            numbers = int(scored_frames[column]), int((known[:, column] > 0).sum())
            rows.append((*names, heat, score, value, *bounds, *numbers))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_video(scored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each video's mean over its frames, and the number of these frames.

    Both have a row a video, indexed by `SLICE`, target and video, and columns (heat,
    score): of each heat, then of the differences.
    """
    keys = [*SLICE, "target", "video", "heat"]
    grouped = scored.groupby(keys)[list(SCORES)]
    means = grouped.mean().unstack("heat").swaplevel(axis=1)
    counts = grouped.count().unstack("heat", fill_value=0).swaplevel(axis=1)
    heats = means.columns.unique(0)
    order = list(product(sorted(heats), SCORES))
    means, counts = means[order], counts[order]
    for control, score in product(CONTROLS, PAIRED):
        if {control, ATTRIBUTION} <= set(heats):
            name = (f"{ATTRIBUTION} - {control}", score)
            means[name] = means[ATTRIBUTION, score] - means[control, score]
            counts[name] = counts[ATTRIBUTION, score].where(means[name].notna(), 0)
    return means, counts


def _slices(videos: pd.MultiIndex) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Names of the slices, and which videos (V,) bool are in each; none is empty."""
    values = [videos.get_level_values(name) for name in SLICE]
    datasets, compressions, methods = (sorted(v.unique()) for v in values)
    wide = [n if len(n) == 1 else [ALL, *n] for n in (datasets, compressions)]
    for names in product(*wide, [ALL, *methods]):
        part = np.ones(len(videos), bool)
        for name, value in zip(names, values, strict=True):
            part &= (name == ALL) | (value == name)
        if part.any():
            yield names, part


def _resampled_means(
    sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Means (R, K) under resamples of T targets, from their sums and counts (T, K).

    NaN where a resample has drawn no target that has a score.
    """
    rng = np.random.default_rng(seed)
    targets = len(sums)
    step = max(1, MAX_WEIGHTS // targets)
    parts = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.multinomial(targets, np.full(targets, 1 / targets), count)
        with np.errstate(invalid="ignore"):
            parts.append((drawn @ sums) / (drawn @ counts))
    return np.concatenate(parts)
