"""The order of the crops in a training epoch."""

import numpy as np
import pandas as pd


def balanced_order(table: pd.DataFrame, count: int, seed: int) -> np.ndarray:
    """Rows (count,) int of `table` for one epoch, with balanced classes.

    Half of the rows are real, and each method has an equal share of the fakes. Every
    batch of consecutive rows has these shares too, up to about one crop per group.
    Within a group, no crop is repeated before all crops were used. `table` has one row
    per crop, with the columns label (0 real, 1 fake) and method.
    """
    rng = np.random.default_rng(seed)
    label, method = table["label"].to_numpy(), table["method"].to_numpy(str)
    groups: list[tuple[np.ndarray, float]] = []  # rows, and share of the epoch
    for value in (0, 1):
        methods = np.unique(method[label == value])
        groups += [
            (np.flatnonzero((label == value) & (method == name)), 0.5 / len(methods))
            for name in methods
        ]
    ends = np.rint(np.cumsum([share for _, share in groups]) * count).astype(int)
    rows, positions = [], []
    for (members, _), size in zip(groups, np.diff(ends, prepend=0), strict=True):
        rounds = -(-size // len(members))
        drawn = [rng.permutation(members) for _ in range(rounds)]
        rows.append(np.concatenate([*drawn, members[:0]])[:size])
        # Spread the group evenly over 0..1: the i-th crop at random in (i, i + 1) / n.
        positions.append((np.arange(size) + rng.random(size)) / max(size, 1))
    order = np.argsort(np.concatenate(positions), kind="stable")
    return np.concatenate(rows)[order]
