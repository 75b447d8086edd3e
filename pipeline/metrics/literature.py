"""Published metrics of FaceForensics++ detectors next to those of comparable runs."""

from pathlib import Path

import pandas as pd

from pipeline.metrics.slices import ALL
from pipeline.runtime.errors import StepError

# Two values are comparable only if all of these columns agree.
TRAINING_KEYS = ["network", "trained_methods", "trained_compression"]
TEST_KEYS = ["compression", "method", "level", "metric"]
PUBLISHED_COLUMNS = ["source", *TRAINING_KEYS, *TEST_KEYS, "value"]
BESIDE_COLUMNS = [
    *("source", *TRAINING_KEYS, *TEST_KEYS),
    *("published", "ours", "low", "high", "model", "protocol", "face_detector"),
]
COMPRESSIONS = ["raw", "c23", "c40"]
FACEFORENSICS = "faceforensics"
TRAIN_VIDEOS, TEST_VIDEOS = 720, 140  # real videos of the official splits


def read_published(path: Path) -> pd.DataFrame:
    """Published metrics as fractions, one row each, with `PUBLISHED_COLUMNS`.

    Raises StepError, with the number of the line, if the file has an invalid row.
    """
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
        "trained_methods must be sorted": table["trained_methods"] != sorted_methods,
        "repeats an earlier line": repeated,
    }
    for column in ("trained_compression", "compression"):
        known = table[column].isin(COMPRESSIONS)
        rules[f"{column} must be one of {', '.join(COMPRESSIONS)}"] = ~known
    for problem, wrong in rules.items():
        if wrong.any():
            line = int(wrong.to_numpy().argmax()) + 2  # line 1 is the header
            raise StepError(f"{path}: line {line}: {problem}")
    return table


def _sorted_methods(names: str) -> str:
    return "+".join(sorted(names.split("+")))


def beside_published(
    metrics: pd.DataFrame, trained: pd.DataFrame, published: pd.DataFrame
) -> pd.DataFrame:
    """Published metrics next to ours of the same training and test; often none.

    `metrics` has tidy metrics with model, protocol and level. `trained` is a
    `trained_table`, and `published` comes from `read_published`. Returns a table with
    `BESIDE_COLUMNS`. `face_detector` found the faces of our crops. The publications
    found theirs with dlib or with a detector that they do not name, so that a part of
    each difference may be one of the crops.

    A run is compared only if it was tested on the complete official split of
    FaceForensics++. Metrics over all methods are compared only if these are the methods
    of the training, as in the publications: other methods give other values.
    """
    kept = ["model", "protocol", "dataset", *TEST_KEYS, "value", "low", "high"]
    ours = metrics.loc[metrics["dataset"] == FACEFORENSICS, kept]
    setups = trained[trained["test_videos"] == TEST_VIDEOS].assign(
        # timm's tag of pretrained weights, such as `.tf_in1k`, is not part of the name.
        network=trained["network"].str.split(".").str[0],
        trained_compression=trained["trained_compressions"],
    )
    setups = setups[["model", "protocol", "face_detector", *TRAINING_KEYS]]
    ours = ours.merge(setups, on=["model", "protocol"])
    test = ["model", "protocol", "compression", "level", "metric"]
    single = ours[ours["method"] != ALL].sort_values("method").groupby(test)["method"]
    tested = single.agg("+".join).rename("tested").reset_index()
    ours = ours.merge(tested, on=test, how="left")
    same_methods = ours["tested"] == ours["trained_methods"]
    ours = ours[(ours["method"] != ALL) | same_methods]
    ours = ours.rename(columns={"value": "ours"})
    known = published.rename(columns={"value": "published"})
    return known.merge(ours, on=[*TRAINING_KEYS, *TEST_KEYS])[BESIDE_COLUMNS]


def trained_table(runs: list[dict], videos: pd.DataFrame) -> pd.DataFrame:
    """The training data of detectors, and their number of FaceForensics++ test videos.

    `runs` describes each detector, and `videos` has its tidy video metrics. The result
    has one row per detector, with the columns model, protocol, network, face_detector,
    trained_methods, trained_compressions (both joined by "+") and test_videos: the
    number of real test videos, or of one method's fakes if that is smaller.

    Left out are controls, detectors that were trained elsewhere, and detectors whose
    training data were not exactly the official split of FaceForensics++.
    """
    runs = [
        run
        for run in runs
        if run["trained_here"]
        and run["datasets"] == [FACEFORENSICS]
        and run["train_videos"] == TRAIN_VIDEOS
    ]
    columns = ["model", "protocol", "network", "face_detector"]
    table = pd.DataFrame(runs, columns=columns).assign(
        trained_methods=["+".join(sorted(run["methods"])) for run in runs],
        trained_compressions=["+".join(sorted(run["compressions"])) for run in runs],
    )
    tested = videos[(videos["method"] != ALL) & (videos["metric"] == "auc")]
    tested = tested[tested["dataset"] == FACEFORENSICS]
    counts = tested.groupby(["model", "protocol"])[["real", "fake"]].min().min(axis=1)
    return table.merge(counts.rename("test_videos").reset_index())
