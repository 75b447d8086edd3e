"""What went wrong in a run: the errors and warnings that the report lists."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.files.tables import read_csv
from pipeline.report.run_description import DescribedDetector, RunDescription
from pipeline.videos.shard_table import read_table
from pipeline.videos.status import USABLE_STATUSES, VideoStatus

COLUMNS = ["kind", "severity", "what", "reason", "remedy"]
ERROR, WARNING = "error", "warning"
RESUME = "run the same command again: finished steps are kept"
TRACEBACK = "Traceback (most recent call last)"
ERROR_MARK = " error: "  # in a line of a log, after the time
MAX_LOG_BYTES = 1_000_000  # of a log's end that are read
MAX_REASON = 500  # characters

Problem = tuple[str, str, str, str, str]


def problem_table(results: Path, run: RunDescription) -> pd.DataFrame:
    """All problems of a run, errors first: the columns `COLUMNS`."""
    found = [
        *missing_results(results, run),
        *failed_steps(results, run),
        *stopped_trainings(results, run),
        *missing_videos(results, run),
        *videos_without_crops(results, run),
        *inexact_maps(results, run),
    ]
    table = pd.DataFrame(found, columns=COLUMNS)
    return table.sort_values("severity", kind="stable", ignore_index=True)


def missing_results(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Results that the configuration asks for and that are not there."""
    for detector in run.detectors:
        folder = f"{detector.model}/{detector.protocol}"
        if not Path(detector.weights).is_file():
            yield _missing(detector.weights, f"the detector {detector.name}")
        for file, what in _results_of(detector, run):
            if not (results / file).is_file():
                yield _missing(file, what)
        if not (results / "metrics" / folder / "videos.csv").is_file():
            yield _missing(f"metrics/{folder}/videos.csv", f"metrics of {folder}")


def _results_of(
    detector: DescribedDetector, run: RunDescription
) -> Iterator[tuple[str, str]]:
    for baseline in run.baselines:
        folder = f"{detector.model}/{detector.protocol}/{baseline}"
        what = f"the atlas of {detector.name} from {baseline}"
        yield f"atlases/{folder}/cells.csv", what


def _missing(file: str, what: str) -> Problem:
    return "missing result", ERROR, file, f"{what} is not there", RESUME


def failed_steps(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Steps whose log ends with an error."""
    for log in sorted((results / "logs").rglob("*.log")):
        name = log.relative_to(results / "logs").with_suffix("")
        if not _belongs(name, run):
            continue
        reason = _error_in(log)
        if reason:
            file = f"logs/{name.as_posix()}.log"
            yield "failed step", ERROR, file, reason, f"see the log; {RESUME}"


def _belongs(name: Path, run: RunDescription) -> bool:
    """Whether a log is of a detector of this configuration, or of none."""
    parts = name.parts[1:]
    if len(parts) < 2:
        return True
    return parts[:2] in {(d.model, d.protocol) for d in run.detectors}


def _error_in(log: Path) -> str:
    """The message of the error that ended a step; "" if there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    marked = [line for line in lines if ERROR_MARK in line]
    if marked:
        return marked[-1].split(ERROR_MARK, 1)[1][:MAX_REASON]
    if any(line.startswith(TRACEBACK) for line in lines):
        return [line for line in lines if line.strip()][-1].strip()[:MAX_REASON]
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
    for shards in run.shards.values():
        for shard in shards:
            file = results / "videos" / f"{shard}.csv"
            if not file.is_file():
                continue
            table = read_table(file)
            for column, kind in (
                ("problem", "missing video"),
                ("mask_problem", "missing mask"),
            ):
                for row in table[table[column] != ""].itertuples():
                    reason = str(getattr(row, column))[:MAX_REASON]
                    yield kind, WARNING, str(row.video), reason, remedy


def videos_without_crops(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Videos of the run that gave no crops, or fewer than was asked for."""
    file = results / "faces" / "summary.csv"
    if not file.is_file():
        yield _missing("faces/summary.csv", "the table of faces")
        return
    table = read_csv(file)
    other = table[table["status"] != VideoStatus.OK]
    for row in other.itertuples():
        usable = row.status in USABLE_STATUSES
        kind = "fewer crops" if usable else "no crops"
        reason = f"{row.status}: {row.reason if isinstance(row.reason, str) else ''}"
        remedy = "none is needed" if usable else "the video has no part in the results"
        yield kind, WARNING, str(row.video), reason[:MAX_REASON], remedy


def inexact_maps(results: Path, run: RunDescription) -> Iterator[Problem]:
    """Atlases with maps that missed a tolerance."""
    for detector in run.detectors:
        for baseline in run.baselines:
            folder = f"atlases/{detector.model}/{detector.protocol}/{baseline}"
            file = results / folder / "frames.csv"
            if not file.is_file():
                continue
            converged = read_csv(file)["converged"]
            count = int((~converged.astype(bool)).sum())
            if count:
                reason = f"{count} of {len(converged)} maps missed a tolerance"
                remedy = "raise attribution.max_steps"
                yield "inexact maps", WARNING, f"{folder}/frames.csv", reason, remedy
