"""A model card: what a trained detector is, how good it is, and what it is not for.

The structure follows Mitchell et al. 2019, "Model cards for model reporting".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.operating_point import VALIDATION, OperatingPoint
from pipeline.metrics.slices import ALL, SLICE_KEYS
from pipeline.models.header import complete_provenance
from pipeline.models.history import kept_epoch
from pipeline.models.predictions import probability

CARD_METRICS = {
    "auc": "AUC",
    "eer": "equal error rate",
    "tpr_at_fpr_1": "fakes found at 1 % false alarms",
    "balanced_accuracy": "balanced accuracy",
    "ece": "calibration error",
    "ece_calibrated": "calibration error after temperature scaling",
}

MINIATURE_WARNING = """\
> **The data set `miniature` holds drawn faces with drawn forgeries. Nothing in this
> card is evidence about real deepfakes.**
"""

SHUFFLED_WARNING = """\
> **This is a control: the network was trained on shuffled labels. Do not use it as a
> detector.**
"""

INTENDED_USE = """\
## Intended use

Research on forgery detection: to compare detectors, training data and compressions, and
to explain what detectors look at.

## Limits

- Do not use the detector to decide about single persons or single videos. Its output is
  not proof. A high probability of fake does not prove that a video was manipulated. A
  low one does not prove that it is genuine.
- All metrics can change, mostly for the worse, on data unlike the training data: with
  other cameras, compressions or manipulation methods, and when faces are found and
  cropped in another way. A row marked "not trained on" shows the metrics for such data.
- Probabilities and calibration errors hold for as many real items as fakes. Where fakes
  are rarer, so are true alarms, and the same probability means less.
- The 95 % intervals in square brackets are by bootstrap over units: groups of persons
  whose videos depend on each other, such as the two persons of a pair. They show how
  much a metric depends on who is in the test set. They do not cover other data sets or
  another training run. With fewer than 8 units there is no interval.
- An interval of width zero means that nearly all resamples of units give the same
  value. For example, an AUC of 1.000 [1.000, 1.000] means that every fake has a higher
  logit than every real item. It is not certainty: in a test set with few persons, a
  detector that sometimes makes mistakes may make none.
"""

OPERATING_POINT = """\
## Operating point

The operating point was chosen on the validation split, never on test data. An item is
called fake if its logit is at or above the threshold. Logits are divided by the
temperature to make probabilities. The threshold is the one with the highest balanced
accuracy; the temperature is the one with the highest likelihood.

"""

DEFAULT_POINT_TEXT = """\
## Operating point

The operating point was not chosen on any data, because the run had no validation videos
that are real and fake. An item is called fake if its probability is at or above 0.5.
Metrics that depend on the threshold may be better with a threshold that suits the data.
There is no temperature scaling.

"""

Row = Iterable[Any]


def model_card(
    title: str,
    header: Mapping[str, Any],
    history: pd.DataFrame | None,
    videos: pd.DataFrame,
    frames: pd.DataFrame,
    points: Mapping[str, OperatingPoint],
    file: tuple[str, str],
) -> str:
    """The card of a detector, as Markdown.

    `header` is the header of its weights file, and `history` its training history with
    one row per epoch; None for a finished detector, which was trained before this run.
    `videos` and `frames` are its tidy metrics on the test set, and `points` its
    operating points by level (frame, video). `file` is the name of its weights file and
    the SHA-256.
    """
    source = complete_provenance(header)
    tested = {*videos["dataset"], *frames["dataset"]}
    warnings = []
    if "miniature" in {*source["datasets"], *tested}:
        warnings.append(MINIATURE_WARNING)
    if source["model"].get("shuffle_labels"):
        warnings.append(SHUFFLED_WARNING)
    parts = [
        f"# {title}\n",
        *warnings,
        _network(header),
        _training_data(source),
        _finished(source, file) if history is None else _training(source, history),
        "## Metrics on the test set\n",
        f"### By video\n\n{_metrics(videos, source)}",
        f"### By frame\n\n{_metrics(frames, source)}",
        _operating_points(points),
        INTENDED_USE,
    ]
    return "\n".join(parts)


def _network(header: Mapping[str, Any]) -> str:
    side = header["input_size"]
    mean, std = (", ".join(f"{x:.4g}" for x in header[key]) for key in ("mean", "std"))
    rows = [
        ("network", f"`{header['timm']}` of timm"),
        ("input", f"face crop, RGB, resized to {side} x {side} px"),
        ("normalisation", f"RGB in 0..1, minus ({mean}), divided by ({std})"),
        ("output", header.get("output", "one logit, positive for fake")),
        ("logit of a video", "the mean of its frames' logits"),
    ]
    return f"## Network\n\n{_table(('', ''), rows)}"


def _training_data(source: Mapping[str, Any]) -> str:
    heading = "## Training data and protocol\n\n"
    crops, real = source["crops"], source["real_crops"]
    if not crops:
        return f"{heading}The network was trained elsewhere, on unknown data.\n"
    rows = [
        ("data sets", ", ".join(source["datasets"])),
        ("methods trained on", ", ".join(source["methods"])),
        ("compressions trained on", ", ".join(source["compressions"])),
        ("videos", source["videos"]),
        ("target persons", source["persons"]),
        ("face crops", f"{crops}, {real} of them real"),
        ("face detector", (source["face_detector"] or {}).get("name", "unknown")),
    ]
    return f"{heading}The numbers are those of the training split.\n\n" + _table(
        ("", ""), rows
    )


def _training(source: Mapping[str, Any], history: pd.DataFrame) -> str:
    epochs = int((history["epoch"] > 0).sum())
    sentences = ["There was no training. The weights are the given ones."]
    if epochs:
        sentences = [
            f"Training ran for {epochs} epoch{'s' * (epochs != 1)}. The weights are "
            f"those of epoch {kept_epoch(history)}, which has the highest validation "
            "AUC over videos. Between equal AUCs, the lowest validation loss decides."
        ]
    sentences += _initial_weights(source)
    return f"## Training\n\n{' '.join(sentences)}\n\n{_settings(source)}"


def _finished(source: Mapping[str, Any], file: tuple[str, str]) -> str:
    """The section about the training of a detector that was given as a file."""
    sentences = [
        f"The detector is the file `{file[0]}` (SHA-256 `{file[1]}`).",
        "This run did not train it, and uses it as it is.",
        *_initial_weights(source),
        "The header of the file has the settings of its training:",
    ]
    return f"## Training\n\n{' '.join(sentences)}\n\n{_settings(source)}"


def _initial_weights(source: Mapping[str, Any]) -> list[str]:
    """A sentence about the weights that training started from, if any are known."""
    if not source["pretrained"]:
        return []
    file, digest = source["pretrained"]["file"], source["pretrained"]["sha256"]
    return [f"Initial weights: `{file}` (SHA-256 `{digest}`)."]


def _settings(source: Mapping[str, Any]) -> str:
    settings = {**source["model"], "seed": source["seed"]}
    settings |= {f"version of {name}": v for name, v in source["versions"].items()}
    return _table(("setting", "value"), _flat(settings))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings and values; a setting in a section is named `section.setting`."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _metrics(table: pd.DataFrame, source: Mapping[str, Any]) -> str:
    """A table with a row per slice and a column per metric, with its interval."""
    rows = []
    for names, part in table.groupby(SLICE_KEYS, sort=False):
        trained = (source["datasets"], source["compressions"], source["methods"])
        labels = [
            name
            if not source["crops"] or name in (ALL, *known)
            else f"{name} (not trained on)"
            for name, known in zip(names, trained, strict=True)
        ]
        by_name, first = part.set_index("metric"), part.iloc[0]
        values = [_value(by_name.loc[metric]) for metric in CARD_METRICS]
        counts = [first["real"], first["fake"], first["units"]]
        rows.append((*labels, *counts, *values))
    columns = ("data set", "compression", "method", "real", "fake", "units")
    return _table((*columns, *CARD_METRICS.values()), rows)


def _value(row: pd.Series) -> str:
    low, high = row["low"], row["high"]
    known = np.isfinite(low) and np.isfinite(high)
    between = f"[{low:.3f}, {high:.3f}]" if known else "(no interval)"
    return f"{row['value']:.3f} {between}"


def _operating_points(points: Mapping[str, OperatingPoint]) -> str:
    rows = []
    for level, point in points.items():
        chance = probability(np.array(point.threshold / point.temperature))
        values = (f"{point.threshold:.4g}", f"{point.temperature:.4g}", f"{chance:.3f}")
        rows.append((level, *values))
    columns = ("item", "threshold", "temperature", "probability at the threshold")
    chosen = all(point.chosen_on == VALIDATION for point in points.values())
    return (OPERATING_POINT if chosen else DEFAULT_POINT_TEXT) + _table(columns, rows)


def _table(columns: Row, rows: Iterable[Row]) -> str:
    """A Markdown table, in which pipes and line breaks are escaped."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("|", "\\|").replace("\n", " ")
