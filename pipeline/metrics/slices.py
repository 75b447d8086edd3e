"""The parts of a test set for which metrics are computed."""

from collections.abc import Iterator

import pandas as pd

ALL = "all"  # stands for all data sets, all compressions or all methods
SLICE_KEYS = ["dataset", "compression", "method"]


def slices(items: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Yield the names and the rows of each slice that has real and fake items.

    A slice is a data set at one compression with one method: the fakes of the method
    and all real items. `ALL` methods are a slice too. So are `ALL` data sets and `ALL`
    compressions, if there are several. `items` has one row per frame or video, with the
    columns `SLICE_KEYS` and label.
    """
    for dataset in _names(items["dataset"]):
        of_dataset = items if dataset == ALL else items[items["dataset"] == dataset]
        for compression in _names(of_dataset["compression"]):
            chosen = of_dataset["compression"] == compression
            part = of_dataset if compression == ALL else of_dataset[chosen]
            for method, rows in by_method(part).items():
                if rows["label"].nunique() == 2:
                    names = (dataset, compression, method)
                    yield dict(zip(SLICE_KEYS, names, strict=True)), rows


def _names(values: pd.Series) -> list[str]:
    names = sorted(values.unique())
    return names if len(names) == 1 else [ALL, *names]


def by_method(items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All items as `ALL`, and for each method its fakes with all real items.

    `items` has one row per frame or video, with the columns label and method.
    """
    real = items["label"] == 0
    methods = sorted(items.loc[~real, "method"].unique())
    return {ALL: items} | {m: items[real | (items["method"] == m)] for m in methods}
