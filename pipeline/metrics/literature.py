"""Published figures of FaceForensics++ detectors, beside those of a run like theirs."""

from pathlib import Path

import pandas as pd

from pipeline.runtime.errors import StepError

# What must be the same for two figures to be of the same thing.
SETUP = ["network", "trained_methods", "trained_compression"]
SLICE = ["compression", "method", "level", "metric"]
PUBLISHED_COLUMNS = ["source", *SETUP, *SLICE, "value"]
BESIDE_COLUMNS = [
    *("source", *SETUP, *SLICE),
    *("published", "ours", "low", "high", "model", "protocol"),
]
COMPRESSIONS = ["raw", "c23", "c40"]
FACEFORENSICS = "faceforensics"
TRAIN_VIDEOS, TEST_VIDEOS = 720, 140  # of the official splits


def read_published(path: Path) -> pd.DataFrame:
    """Published figures, one row each, as fractions; StepError if the file is amiss."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise StepError(f"{path}: cannot be read as a table ({error})") from error
    if list(table.columns) != PUBLISHED_COLUMNS:
        raise StepError(f"{path}: its columns must be {', '.join(PUBLISHED_COLUMNS)}")
    table["value"] = pd.to_numeric(table["value"], errors="coerce")
    sorted_methods = table["trained_methods"].map(_sorted_methods)
    repeated = table.duplicated([c for c in PUBLISHED_COLUMNS if c != "value"])
    rules = {
        "has an empty cell": (table == "").any(axis=1),
        "value must be from 0 to 1": ~table["value"].between(0, 1),
        "level must be frame or video": ~table["level"].isin(["frame", "video"]),
        "trained_methods must be in order": table["trained_methods"] != sorted_methods,
        "says again what an earlier row says": repeated,
    }
    for column in ("trained_compression", "compression"):
        known = table[column].isin(COMPRESSIONS)
        rules[f"{column} must be one of {', '.join(COMPRESSIONS)}"] = ~known
    for problem, wrong in rules.items():
        if wrong.any():
            line = int(wrong.to_numpy().argmax()) + 2  # the first line is the header
            raise StepError(f"{path}: line {line}: {problem}")
    return table


def _sorted_methods(names: str) -> str:
    return "+".join(sorted(names.split("+")))


def beside_published(
    metrics: pd.DataFrame, trained: pd.DataFrame, published: pd.DataFrame
) -> pd.DataFrame:
    """Published figures with ours of the very same training and test; often none.

    `metrics`: tidy metrics with model, protocol and level. `trained`: one row a model x
    protocol, with its network, trained_methods and trained_compressions joined by "+",
    and test_videos, the number of real test videos at each compression. Only runs over
    the whole official splits of FaceForensics++ count. Fakes of `all` methods must be
    of those that training had, as in the publications: another mixture, another figure.
    """
    kept = ["model", "protocol", "dataset", *SLICE, "value", "low", "high"]
    ours = metrics.loc[metrics["dataset"] == FACEFORENSICS, kept]
    setups = trained[trained["test_videos"] == TEST_VIDEOS].assign(
        # A tag such as `.tf_in1k` names first weights; the network is the same.
        network=trained["network"].str.split(".").str[0],
        trained_compression=trained["trained_compressions"],
    )
    setups = setups[["model", "protocol", *SETUP]]
    ours = ours.merge(setups, on=["model", "protocol"])
    test = ["model", "protocol", "compression", "level", "metric"]
    single = ours[ours["method"] != "all"].sort_values("method").groupby(test)["method"]
    tested = single.agg("+".join).rename("tested").reset_index()
    ours = ours.merge(tested, on=test, how="left")
    same_mixture = ours["tested"] == ours["trained_methods"]
    ours = ours[(ours["method"] != "all") | same_mixture]
    ours = ours.rename(columns={"value": "ours"})
    known = published.rename(columns={"value": "published"})
    return known.merge(ours, on=[*SETUP, *SLICE])[BESIDE_COLUMNS]


def trained_table(runs: list[dict], videos: pd.DataFrame) -> pd.DataFrame:
    """What each detector was trained on, and how many FaceForensics++ videos it was
    tested on.

    `test_videos` is the number of real videos, or of any method's fakes if that is
    smaller. Left out: controls, detectors that were trained elsewhere, and those that
    saw another data set, or not all of the official split, in training.
    """
    runs = [run for run in runs if run["trained_here"]]
    runs = [run for run in runs if run["datasets"] == [FACEFORENSICS]]
    runs = [run for run in runs if run["train_videos"] == TRAIN_VIDEOS]
    columns = ["model", "protocol", "network"]
    table = pd.DataFrame(runs, columns=columns).assign(
        trained_methods=["+".join(sorted(run["methods"])) for run in runs],
        trained_compressions=["+".join(sorted(run["compressions"])) for run in runs],
    )
    tested = videos[(videos["method"] != "all") & (videos["metric"] == "auc")]
    tested = tested[tested["dataset"] == FACEFORENSICS]
    counts = tested.groupby(["model", "protocol"])[["real", "fake"]].min().min(axis=1)
    return table.merge(counts.rename("test_videos").reset_index())
