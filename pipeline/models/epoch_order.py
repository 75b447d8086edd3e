"""The order in which the crops of an epoch are trained on."""

import numpy as np
import pandas as pd


def balanced_order(table: pd.DataFrame, count: int, seed: int) -> np.ndarray:
    """Rows (count,) of an epoch: half of them real, fakes in equal shares a method.

    Each stretch of it, hence each batch, has these shares too, give or take one crop.
    Within a share every crop comes once before any comes again.
    """
    rng = np.random.default_rng(seed)
    label, method = table["label"].to_numpy(), table["method"].to_numpy(str)
    shares: list[tuple[np.ndarray, float]] = []
    for value in (0, 1):
        methods = np.unique(method[label == value])
        shares += [
            (np.flatnonzero((label == value) & (method == m)), 0.5 / len(methods))
            for m in methods
        ]
    ends = np.rint(np.cumsum([share for _, share in shares]) * count).astype(int)
    rows, places = [], []
    for (members, _), size in zip(shares, np.diff(ends, prepend=0), strict=True):
        rounds = -(-size // len(members))
        drawn = [rng.permutation(members) for _ in range(rounds)]
        rows.append(np.concatenate([*drawn, members[:0]])[:size])
        # Spread evenly over 0..1: each crop at random in a stretch of its own.
        places.append((np.arange(size) + rng.random(size)) / max(size, 1))
    return np.concatenate(rows)[np.argsort(np.concatenate(places), kind="stable")]
