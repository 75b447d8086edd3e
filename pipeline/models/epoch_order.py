"""The order of the crops in a training epoch."""

import numpy as np
import pandas as pd


def balanced_order(table: pd.DataFrame, count: int, seed: int) -> np.ndarray:
    """Rows (count,) int of `table` for one epoch, with balanced classes.

    In each data set and compression, half of the rows are real, and each method has an
    equal share of the fakes. Otherwise a detector would learn which data set a crop is
    of, since that tells how likely it is fake. A data set at one compression has the
    share of the epoch that it has of the real crops. Every batch of consecutive rows
    has these shares too, up to about one crop per group. Within a group, no crop is
    repeated before all crops were used. `table` has one row per crop, with the columns
    dataset, compression, label (0 real, 1 fake) and method. Each data set and
    compression must have both labels: see `face_crops.check_classes`.
    """
    rng = np.random.default_rng(seed)
    table = table.reset_index(drop=True)
    all_real = (table["label"] == 0).sum()
    groups: list[tuple[np.ndarray, float]] = []  # rows, and share of the epoch
    for _, part in table.groupby(["dataset", "compression"]):
        share = (part["label"] == 0).sum() / all_real / 2  # of each label
        for _, same in part.groupby("label"):
            methods = [rows.index.to_numpy() for _, rows in same.groupby("method")]
            groups += [(rows, share / len(methods)) for rows in methods]
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
