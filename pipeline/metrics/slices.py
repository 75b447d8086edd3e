"""The parts of a test set that metrics are computed on."""

from collections.abc import Iterator

import pandas as pd

ALL = "all"
SLICE = ["dataset", "compression", "method"]


def slices(items: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """The parts of a test set that are scored, with what each is called.

    Each data set and each compression, and `all` of them where there are several; in
    each, all fakes and each method's against all its real items.
    """
    for dataset in _names(items["dataset"]):
        of_dataset = items if dataset == ALL else items[items["dataset"] == dataset]
        for compression in _names(of_dataset["compression"]):
            chosen = of_dataset["compression"] == compression
            part = of_dataset if compression == ALL else of_dataset[chosen]
            for method, rows in by_method(part).items():
                if rows["label"].nunique() == 2:
                    names = (dataset, compression, method)
                    yield dict(zip(SLICE, names, strict=True)), rows


def _names(values: pd.Series) -> list[str]:
    names = sorted(values.unique())
    return names if len(names) == 1 else [ALL, *names]


def by_method(items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The slices that are scored: `all`, and each method's fakes with all real items.

    `items` has the columns label and method, one row a frame or a video.
    """
    real = items["label"] == 0
    methods = sorted(items.loc[~real, "method"].unique())
    return {"all": items} | {m: items[real | (items["method"] == m)] for m in methods}
