"""What went wrong in a run: the errors and warnings that the report lists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.files.tables import read_csv
from pipeline.report.places import expected_files
from pipeline.report.run_description import (
    INTERVENTIONS,
    ORIGINALS,
    SEVERAL_DETECTORS,
    RunDescription,
)
from pipeline.videos.shard_table import read_table
from pipeline.videos.status import USABLE_STATUSES, VideoStatus

COLUMNS = ["kind", "severity", "what", "reason", "remedy"]
ERROR, WARNING = "error", "warning"
RESUME = "run the same command again: finished steps are kept"
TRACEBACK = "Traceback (most recent call last)"
IGNORED = "Exception ignored"  # what Python writes above the traceback of one at exit
# Steps that no other result depends on.
OWN_STEPS = ("describe_run", "build_report", "list_leftovers", "export_virelay")
# What a run must have so that it has these steps: see `RunDescription.has`.
STEPS_WITH_NEEDS = {
    "align_originals": ORIGINALS,
    "summarize_originals": ORIGINALS,
    "summarize_controls": INTERVENTIONS,
    "draw_interventions": INTERVENTIONS,
    "compare_atlases": SEVERAL_DETECTORS,
    "draw_comparison": SEVERAL_DETECTORS,
}
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d ")  # how a line of a step's log begins
ERROR_LINE = re.compile(r"\d\d:\d\d:\d\d error: ")
MAX_LOG_BYTES = 1_000_000  # of a log's end that are read
MAX_REASON = 500  # characters

Problem = tuple[str, str, str, str, str]


def problem_table(
    results: Path, run: RunDescription, maps: pd.DataFrame
) -> pd.DataFrame:
    """All problems of a run, errors first: the columns `COLUMNS`.

    `maps` is the run's `map_table`.
    """
    found = [
        *missing_results(results, run),
        *failed_steps(results, run),
        *stopped_trainings(results, run),
        *leaks(results),
        *missing_videos(results, run),
        *videos_without_crops(results, run),
        *inexact_maps(maps, run),
    ]
    table = pd.DataFrame(found, columns=COLUMNS)
    return table.sort_values("severity", kind="stable", ignore_index=True)


def missing_results(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Results that the configuration asks for and that are not there.

    These are the weights of detectors, and the figures and tables of the report.
    """
    for detector in run.detectors:
        if not Path(detector.weights).is_file():
            yield _missing(detector.weights, f"the detector {detector.name}")
    for file, caption in expected_files(run):
        if not (results / file).is_file():
            yield _missing(file, caption)


def _missing(file: str, what: str) -> Problem:
    return "missing result", ERROR, file, what.rstrip("."), RESUME


def failed_steps(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Steps whose log ends with an error.

    Without the steps that this configuration does not run, whose old logs stay, and
    those that no result depends on.
    """
    for log in sorted((results / "logs").rglob("*.log")):
        name = log.relative_to(results / "logs").with_suffix("")
        if name.parts[0] in OWN_STEPS or not _belongs(name, run):
            continue
        reason = _error_in(log)
        if reason:
            file = f"logs/{name.as_posix()}.log"
            yield "failed step", ERROR, file, reason, f"see the log; {RESUME}"


def _belongs(name: Path, run: RunDescription) -> bool:
    """Whether a log is of a step, detector, baseline and shard of this run."""
    rule, *parts = name.parts
    models = run.config["models"].values()
    if rule == "fetch_weights":
        return any(model["pretrained"] and model["timm"] in parts for model in models)
    if rule in STEPS_WITH_NEEDS and not run.has(STEPS_WITH_NEEDS[rule]):
        return False
    if rule == "collect_real_faces":
        return "nearest_real" in run.baselines
    if rule == "measure_controls" and not run.config["attribution"]["control_frames"]:
        return False
    known = {*run.baselines, *run.all_shards, *run.config["protocols"]}
    for detector in run.detectors:
        known |= {detector.model, detector.protocol}
    return set(parts) <= known


def _error_in(log: Path) -> str:
    """The message of the error that ended a step; "" if there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    lines = [line for line in lines if line.strip()]
    marks = [n for n, line in enumerate(lines) if ERROR_LINE.match(line)]
    if marks and not any(LOG_LINE.match(line) for line in lines[marks[-1] + 1 :]):
        return ERROR_LINE.sub("", " ".join(lines[marks[-1] :]))[:MAX_REASON]
    traces = [
        number
        for number, line in enumerate(lines)
        if line.startswith(TRACEBACK) and not lines[number - 1].startswith(IGNORED)
    ]
    if traces and not any(LOG_LINE.match(line) for line in lines[traces[-1] :]):
        return lines[-1].strip()[:MAX_REASON]
    return ""


def stopped_trainings(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Trainings that were interrupted, or ended in values that are no numbers."""
    for detector in run.detectors:
        folder = f"models/{detector.model}/{detector.protocol}"
        if (results / folder / "not_a_number.csv").is_file():
            reason = "the loss became not a number"
            remedy = "see the file; lower models.<name>.learning_rate"
            file = f"{folder}/not_a_number.csv"
            yield "failed training", ERROR, file, reason, remedy
        if (results / folder / "state.pt").is_file():
            reason = "the training did not reach its end"
            yield "unfinished training", ERROR, f"{folder}/state.pt", reason, RESUME


def missing_videos(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Videos and masks that could not be obtained."""
    remedy = "delete the table of the shard in videos/ and run again"
    kinds = {"problem": "missing video", "mask_problem": "missing mask"}
    for shard in sorted(run.all_shards):
        file = results / "videos" / f"{shard}.csv"
        if not file.is_file():
            continue
        table = read_table(file)
        for column, kind in kinds.items():
            for row in table[table[column] != ""].itertuples():
                reason = str(getattr(row, column))[:MAX_REASON]
                yield kind, WARNING, str(row.video), reason, remedy


def leaks(results: Path) -> Iterator[Problem]:
    """Recordings and people that are in more than one split."""
    file = results / "videos" / "leaks.csv"
    if not file.is_file():
        return
    for row in pd.read_csv(file, dtype=str, keep_default_na=False).itertuples():
        reason = f"{row.members} in {row.split}"
        remedy = "the split is the official one"
        if row.dataset == "faceforensics":
            remedy = "sources.faceforensics.leaks: drop leaves them out"
        yield "in several splits", WARNING, f"{row.dataset} {row.what}", reason, remedy


def videos_without_crops(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Videos of the run that gave no crops, or fewer than was asked for."""
    file = results / "faces" / "summary.csv"
    if not file.is_file():
        return
    table = read_csv(file)
    other = table[table["status"] != VideoStatus.OK]
    for row in other.itertuples():
        usable = row.status in USABLE_STATUSES
        kind = "fewer crops" if usable else "no crops"
        reason = f"{row.status}: {row.reason if isinstance(row.reason, str) else ''}"
        remedy = "none is needed" if usable else "the video has no part in the results"
        yield kind, WARNING, str(row.video), reason[:MAX_REASON], remedy


def inexact_maps(maps: pd.DataFrame, run: RunDescription) -> Iterator[Problem]:
    """Atlases with maps that missed a tolerance; `maps` is a `map_table`."""
    is_captum = run.config["attribution"]["engine"] == "captum"
    remedy = f"raise attribution.{'steps' if is_captum else 'max_steps'}"
    for row in maps.itertuples():
        count = round(row.maps * (1 - row.converged_share))
        if count:
            file = f"atlases/{row.model}/{row.protocol}/{row.baseline}/frames.csv"
            reason = f"{count} of {row.maps} maps missed a tolerance"
            yield "inexact maps", WARNING, file, reason, remedy
