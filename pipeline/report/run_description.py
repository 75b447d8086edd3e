"""What a report must know of its run: its configuration, and the names it stands for.

It is stored in `report/run.json`, so that a report can be made from a folder of results
alone, also after a run that failed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.runtime.errors import StepError

MINIATURE = "miniature"
ALL = "all"  # stands for all baselines in a table
# What parts of the report need, so that their files are there.
ORIGINALS, INTERVENTIONS = "originals", "interventions"
SEVERAL_DETECTORS, LABELS = "several detectors", "labelled test videos"


class DescribedDetector(BaseModel):
    """A detector of the run.

    Attributes:
        model: its name.
        protocol: what it was trained on.
        weights: its file, as seen from the folder in which the run was started.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    protocol: str
    weights: str

    @property
    def name(self) -> str:
        """Its name in the page."""
        return f"{self.model}/{self.protocol}"


class RunDescription(BaseModel):
    """The content of `report/run.json`.

    Attributes:
        config: the configuration, section by section. Addresses of servers are left
            out, because data sets are given out under terms.
        detectors: all detectors.
        shards: names of the shards by split.
        has_originals: whether originals of test fakes are known.
        has_labels: whether there are real and fake test videos.
        has_thresholds: whether thresholds are chosen on validation videos.
    """

    # Another version's description may have further entries.
    model_config = ConfigDict(extra="ignore", frozen=True)

    config: dict[str, Any]
    detectors: list[DescribedDetector]
    shards: dict[str, list[str]]
    has_originals: bool
    has_labels: bool
    has_thresholds: bool

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines."""
        return list(self.config["attribution"]["baselines"])

    @property
    def all_shards(self) -> set[str]:
        """Names of the shards of all splits."""
        return {shard for names in self.shards.values() for shard in names}

    def has(self, need: str) -> bool:
        """Whether the run has what a part of the report needs.

        `need` is "", ORIGINALS, INTERVENTIONS, SEVERAL_DETECTORS or LABELS.
        """
        several = len(self.detectors) > 1
        controls = bool(self.config["attribution"]["control_frames"])
        return {
            "": True,
            ORIGINALS: self.has_originals,
            INTERVENTIONS: self.has_originals and controls,
            SEVERAL_DETECTORS: several and self.has_labels,
            LABELS: self.has_labels,
        }[need]

    def has_rows(self, table: pd.DataFrame) -> pd.Series:
        """Which rows of a table are of this run's detectors and baselines."""
        kept = pd.Series(True, index=table.index)
        names = {detector.name for detector in self.detectors}
        if {"model", "protocol"} <= set(table.columns):
            kept &= (table["model"] + "/" + table["protocol"]).isin(names)
        if {"detector", "other"} <= set(table.columns):
            kept &= table["detector"].isin(names) & table["other"].isin(names)
        if {"model", "baseline"} <= set(table.columns):
            kept &= table["baseline"].isin([*self.baselines, ALL])
        return kept

    @property
    def has_drawn_faces(self) -> bool:
        """Whether the run uses the miniature corpus, whose faces are drawn."""
        return bool(self.config["sources"].get(MINIATURE))

    @property
    def shows_faces(self) -> bool:
        """Whether the report may show faces."""
        return bool(self.config["report"]["faces"])


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys such as `faces.margin` with their values; empty sections are left out."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def read_description(file: Path) -> RunDescription:
    """Read `report/run.json`. Raises StepError if it is missing or damaged."""
    remedy = "`snakemake describe_run` makes it"
    try:
        return RunDescription.model_validate(json.loads(file.read_text("utf-8")))
    except OSError as error:
        raise StepError(f"{file} cannot be read ({error.strerror}): {remedy}") from None
    except (ValueError, ValidationError) as error:
        raise StepError(
            f"{file} is not the description of a run ({error}): {remedy}"
        ) from None
