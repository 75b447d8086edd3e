"""Tables that the report computes from those of the run, and takes its numbers from.

- `data.csv`: videos and crops of each part of the data.
- `detectors.csv`: what each detector is, and what it was trained on.
- `maps.csv`, `map_totals.csv`: how exact the attribution maps are, of each atlas and
  of all together.
- `checksums.csv`: SHA-256 of the tables that the report is about.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.files.checksums import file_sha256
from pipeline.files.tables import read_csv
from pipeline.models.header import complete_provenance, read_header
from pipeline.report.places import ATLAS, places
from pipeline.report.run_description import DescribedDetector, RunDescription
from pipeline.runtime.errors import StepError
from pipeline.videos.status import USABLE_STATUSES

DATA_COLUMNS = [
    *("dataset", "compression", "split", "method"),
    *("videos", "with_crops", "without_crops", "crops"),
]
DETECTOR_COLUMNS = [
    *("model", "protocol", "network", "input_size", "datasets", "methods"),
    *("compressions", "videos", "persons", "crops", "seed", "sha256"),
]
MAP_COLUMNS = [
    *("model", "protocol", "baseline", "maps", "converged_share"),
    *("median_map_error", "largest_map_error", "median_completeness_error", "steps"),
]
MAP_TOTAL_COLUMNS = [
    *("maps", "converged_share", "smallest_median_error", "largest_median_error"),
]
CHECKSUM_COLUMNS = ["file", "sha256"]


def data_table(results: Path) -> pd.DataFrame:
    """Videos and crops of each data set, compression, split and method.

    From `faces/summary.csv`; without rows if it is not there.
    """
    file = results / "faces" / "summary.csv"
    if not file.is_file():
        return pd.DataFrame(columns=DATA_COLUMNS)
    videos = read_csv(file)
    videos["dataset"] = videos["video"].str.split("/").str[0]
    videos["has_crops"] = videos["status"].isin(USABLE_STATUSES)
    parts = videos.groupby(DATA_COLUMNS[:4], sort=True)
    table = parts.agg(
        videos=("video", "size"),
        with_crops=("has_crops", "sum"),
        crops=("crops", "sum"),
    ).reset_index()
    table["without_crops"] = table["videos"] - table["with_crops"]
    return table[DATA_COLUMNS].astype({"crops": int})


def detector_table(run: RunDescription) -> pd.DataFrame:
    """What each detector with a weights file is, from the header of the file."""
    rows = [_detector_row(detector) for detector in run.detectors]
    found = [row for row in rows if row is not None]
    table = pd.DataFrame(found, columns=DETECTOR_COLUMNS)
    counts = ["videos", "persons", "crops", "seed"]
    return table.astype(dict.fromkeys(counts, "Int64"))


def _detector_row(detector: DescribedDetector) -> dict[str, Any] | None:
    file = Path(detector.weights)
    try:
        header = read_header(file)
    except StepError:  # `problems.py` reports a detector that is missing
        return None
    source = complete_provenance(header)
    names = ("datasets", "methods", "compressions")
    return {
        "model": detector.model,
        "protocol": detector.protocol,
        "network": header["timm"],
        "input_size": header["input_size"],
        **{name: " ".join(source[name]) for name in names},
        # 0 where the header does not say it.
        **{name: source[name] or None for name in ("videos", "persons", "crops")},
        "seed": source["seed"],
        "sha256": file_sha256(file),
    }


def map_table(results: Path, run: RunDescription) -> pd.DataFrame:
    """How exact the maps of each detector from each baseline are."""
    rows = []
    for place in places(run, ATLAS):
        file = results / "atlases" / Path(*place.values()) / "frames.csv"
        if not file.is_file():
            continue
        frames = read_csv(file)
        rows.append(
            {
                **place,
                "maps": len(frames),
                "converged_share": frames["converged"].mean(),
                "median_map_error": frames["map_error"].median(),
                "largest_map_error": frames["map_error"].max(),
                "median_completeness_error": frames["completeness_error"].median(),
                "steps": frames["steps"].mean(),
            }
        )
    return pd.DataFrame(rows, columns=MAP_COLUMNS)


def map_totals(maps: pd.DataFrame) -> pd.DataFrame:
    """One row over all atlases of a `map_table`; none without atlases."""
    if maps.empty:
        return pd.DataFrame(columns=MAP_TOTAL_COLUMNS)
    count = maps["maps"].sum()
    converged = (maps["converged_share"] * maps["maps"]).sum() / count
    errors = maps["median_map_error"]
    row = (count, converged, errors.min(), errors.max())
    return pd.DataFrame([row], columns=MAP_TOTAL_COLUMNS)


def checksum_table(results: Path, files: Iterable[str]) -> pd.DataFrame:
    """SHA-256 of tables of the results, and of no file that is missing."""
    rows = [
        (file, file_sha256(results / file))
        for file in sorted(files)
        if (results / file).is_file()
    ]
    return pd.DataFrame(rows, columns=CHECKSUM_COLUMNS)
