"""What a report must know of its run: its configuration, and the names it stands for.

It is stored in `report/run.json`, so that a report can be made from a folder of results
alone, also after a run that failed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.runtime.errors import StepError

MINIATURE = "miniature"


class DescribedDetector(BaseModel):
    """A detector of the run.

    Attributes:
        model: its name.
        protocol: what it was trained on.
        trained_model: the name of the model in the configuration.
        weights: its file, as seen from the folder in which the run was started.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    protocol: str
    trained_model: str
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
        versions: of Python and of packages, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: dict[str, Any]
    detectors: list[DescribedDetector]
    shards: dict[str, list[str]]
    has_originals: bool
    versions: dict[str, str] = {}

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines."""
        return list(self.config["attribution"]["baselines"])

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
