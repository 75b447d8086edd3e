"""A model card: what a trained detector is, what it is good at, and what it is not for.

After Mitchell et al. 2019, "Model cards for model reporting".
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.operating_point import OperatingPoint
from pipeline.models.history import kept_epoch
from pipeline.models.predictions import probability

METRICS = {
    "auc": "AUC",
    "eer": "equal error rate",
    "tpr_at_fpr_1": "fakes found at 1 % false alarms",
    "balanced_accuracy": "balanced accuracy",
    "ece": "calibration error",
    "ece_calibrated": "the same, scaled",
}

MINIATURE = """\
> **The data set `miniature` holds drawn faces with drawn forgeries. Nothing in this
> card is evidence about real deepfakes.**
"""

SHUFFLED = """\
> **A control: trained on shuffled labels. It must not be used as a detector.**
"""

USE = """\
## Intended use

Research on forgery detection: comparing detectors, training data and compressions, and
explanations of what detectors look at.

## Limits

- Not for deciding about single persons or single videos, and no proof of anything: a
  high probability of fake does not prove that a video was manipulated, a low one does
  not prove that it is genuine.
- Other cameras, compressions, methods of manipulation, ways of finding and cropping
  faces than those trained on can change all figures, mostly for the worse. A row marked
  "not trained on" shows how much for one of them.
- Probabilities and calibration errors hold for the test set's share of fakes.
- Intervals (in brackets, 95 %) are by bootstrap over target persons: they say how much
  figures hang on who is in the test set. They know nothing of another data set, nor of
  another training. An interval of width zero means that drawing persons anew changes
  nothing; [1.000, 1.000] is such a one: no mistake was made. It is no certainty: with
  few persons, a detector that errs now and then may well make no mistake.
"""


def model_card(
    title: str,
    header: Mapping[str, Any],
    history: pd.DataFrame,
    videos: pd.DataFrame,
    frames: pd.DataFrame,
    points: Mapping[str, OperatingPoint],
) -> str:
    """The card of a detector, as Markdown.

    `header` is its weights file's; `history` has one row an epoch; `videos` and
    `frames` are its tidy metrics on the test set; `points` has its operating points
    by level (frame, video).
    """
    source = header["provenance"]
    tested = {*videos["dataset"], *frames["dataset"]}
    warnings = [MINIATURE] if "miniature" in {*source["datasets"], *tested} else []
    warnings += [SHUFFLED] if source["model"]["shuffle_labels"] else []
    parts = [
        f"# {title}\n",
        *warnings,
        _network(header),
        _data(source),
        _training(source, history),
        "## Metrics on the test set\n",
        f"### By video\n\n{_metrics(videos, source)}",
        f"### By frame\n\n{_metrics(frames, source)}",
        _decisions(points),
        USE,
    ]
    return "\n".join(parts)


def _network(header: Mapping[str, Any]) -> str:
    side = header["input_size"]
    mean, std = (", ".join(f"{x:.4g}" for x in header[key]) for key in ("mean", "std"))
    rows = [
        ("network", f"`{header['timm']}` of timm"),
        ("input", f"face crop, RGB, resized to {side} x {side} px"),
        ("normalisation", f"RGB in 0..1, less ({mean}), divided by ({std})"),
        ("output", header["output"]),
        ("of a video", "the mean of its frames' logits"),
    ]
    return f"## What it is\n\n{_table(('', ''), rows)}"


def _data(source: Mapping[str, Any]) -> str:
    crops, real = source["crops"], source["real_crops"]
    if not crops:
        return "## Data and protocol\n\nTrained elsewhere: on what is not known here.\n"
    rows = [
        ("data sets", ", ".join(source["datasets"])),
        ("methods trained on", ", ".join(source["methods"])),
        ("compressions trained on", ", ".join(source["compressions"])),
        ("videos", source["videos"]),
        ("target persons", source["persons"]),
        ("face crops", f"{crops}, {real} of them real"),
    ]
    return f"## Data and protocol\n\nOf the training split:\n\n{_table(('', ''), rows)}"


def _training(source: Mapping[str, Any], history: pd.DataFrame) -> str:
    run, kept = int((history["epoch"] > 0).sum()), kept_epoch(history)
    told = f"{run} epochs were run; the weights are epoch {kept}'s"
    told += ", which has the highest validation AUC over videos, then the lowest loss."
    if not run:
        told = "Nothing was trained: the weights were taken as they are."
    if source["pretrained"]:
        file, digest = source["pretrained"]["file"], source["pretrained"]["sha256"]
        told += f" First weights: `{file}` (SHA-256 `{digest}`)."
    settings = {**source["model"], "seed": source["seed"]}
    settings |= {f"version of {name}": v for name, v in source["versions"].items()}
    rows = list(_flat(settings))
    return f"## Training\n\n{told}\n\n{_table(('setting', 'value'), rows)}"


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Settings and their values; those of a section after its name and a point."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def _metrics(table: pd.DataFrame, source: Mapping[str, Any]) -> str:
    """A row a slice, a column a metric, each with its interval."""
    rows = []
    keys = ["dataset", "compression", "method"]
    for names, part in table.groupby(keys, sort=False):
        known = zip(names, ("datasets", "compressions", "methods"), strict=True)
        called = [
            name
            if not source["crops"] or name in ("all", *source[key])
            else f"{name} (not trained on)"
            for name, key in known
        ]
        by_name, first = part.set_index("metric"), part.iloc[0]
        values = [_value(by_name.loc[metric]) for metric in METRICS]
        counts = [first["real"], first["fake"], first["targets"]]
        rows.append((*called, *counts, *values))
    columns = ("data set", "compression", "fakes", "real", "fake", "persons")
    return _table((*columns, *METRICS.values()), rows)


def _value(row: pd.Series) -> str:
    low, high = row["low"], row["high"]
    known = np.isfinite(low) and np.isfinite(high)
    between = f"[{low:.3f}, {high:.3f}]" if known else "(no interval)"
    return f"{row['value']:.3f} {between}"


def _decisions(points: Mapping[str, OperatingPoint]) -> str:
    rows = []
    for level, point in points.items():
        chance = probability(np.float64(point.threshold / point.temperature))
        threshold, warm = f"{point.threshold:.4g}", f"{point.temperature:.4g}"
        rows.append((level, threshold, warm, f"{chance:.3f}"))
    columns = ("of a", "fake from logit", "temperature", "probability there")
    return (
        "## Operating point\n\nChosen on the validation split, never on test data: the "
        "threshold for the\nhighest balanced accuracy; the temperature, which logits "
        "are divided by to make\nprobabilities, for the highest likelihood.\n\n"
        + _table(columns, rows)
    )


def _table(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; what would break a cell is escaped."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: Any) -> str:
    words = {None: "none", True: "yes", False: "no"}
    plain = isinstance(value, bool) or value is None
    return (
        (words[value] if plain else str(value)).replace("|", "\\|").replace("\n", " ")
    )
