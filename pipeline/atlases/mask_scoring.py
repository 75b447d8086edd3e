"""Score the heats of frames against the masks of the same frames."""

import numpy as np

from pipeline.atlases.heats import HEATS, FrameHeats, constant_heats
from pipeline.atlases.mask_agreement import (
    ALL_SCORES,
    PAIRED_SPECIFICITY,
    SCORES,
    TRUTHS,
    RankedHeat,
    paired_specificity,
    rank_heat,
    ranked_scores,
)
from pipeline.atlases.scales import (
    SCALES,
    SQUARES,
    at_scale,
    mask_at_scale,
    share_of_squares,
)


class MaskScorer:
    """Scores frames. What all frames share is computed once: it is slow to sort."""

    def __init__(self, size: int, mean_mask: np.ndarray | None) -> None:
        """For crops of `size` px. Without `mean_mask` (S, S), that of the training set,
        the scores that need it are NaN."""
        prior = np.zeros((size, size)) if mean_mask is None else mean_mask
        self.priors = [
            share_of_squares(prior) if s == SQUARES else prior for s in SCALES
        ]
        constant = constant_heats(size, mean_mask)
        self.constant: list[dict[str, RankedHeat]] = [
            {name: rank_heat(at_scale(heat, s)) for name, heat in constant.items()}
            for s in SCALES
        ]

    def score(
        self,
        frame: FrameHeats,
        official: np.ndarray,
        changed: np.ndarray,
        real: FrameHeats | None = None,
    ) -> np.ndarray:
        """The scores of a frame: (TRUTHS, SCALES, HEATS, ALL_SCORES); NaN if unknown.

        `official` and `changed` (S, S) are the two truths, in this order. The mean mask
        is of official masks, so the scores that need it are NaN for changed pixels.
        `real` are the heats of the fake's own real frame.
        """
        found = no_scores(1)[0]
        for number, (scale, prior) in enumerate(zip(SCALES, self.priors, strict=True)):
            heats = frame.at_scale(scale)
            others = {} if real is None else real.at_scale(scale)
            ranked = {name: rank_heat(heat) for name, heat in heats.items()}
            masks = [mask_at_scale(mask, scale) for mask in (official, changed)]
            for truth, mask in enumerate(masks):
                shown = prior if truth == 0 else np.zeros_like(prior)
                for name, heat in (ranked | self.constant[number]).items():
                    scores = ranked_scores(heat, mask, shown)
                    scores[PAIRED_SPECIFICITY] = np.nan
                    if name in others:
                        pair = heats[name], others[name]
                        scores[PAIRED_SPECIFICITY] = paired_specificity(*pair, mask)
                    elif real is not None and np.isfinite(scores["mask_share"]):
                        scores[PAIRED_SPECIFICITY] = 0.0  # both heats are the same
                    place = truth, number, HEATS.index(name)
                    found[place] = [scores[score] for score in ALL_SCORES]
        return found


def no_scores(count: int) -> np.ndarray:
    """Unknown scores of frames: (count, TRUTHS, SCALES, HEATS, ALL_SCORES)
    float32 NaN."""
    shape = (count, len(TRUTHS), len(SCALES), len(HEATS), len(ALL_SCORES))
    return np.full(shape, np.nan, np.float32)


def map_scores(scores: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of frames' own maps in pixels against official masks, by name.

    `scores` are those of n frames, as in `no_scores`; each value is (n,).
    """
    return {name: scores[:, 0, 0, 0, n] for n, name in enumerate(SCORES)}
