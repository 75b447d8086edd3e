"""The `report` section: the page that shows the results of a run."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.config.section import Folder, Reruns, Section


class ReportConfig(Section):
    """What the page `report/index.html` shows."""

    reruns: ClassVar[Reruns] = Reruns("describe_run")

    faces: bool = True
    """Whether the page shows faces. `false` leaves out all pictures with a face, for a
    page to pass on: atlases, tables and curves stay."""
    compare_with: Folder | None = None
    """Folder of results of another run, whose metrics, atlases and configuration the
    page sets beside those of this one. `snakemake report` must have run there."""


ADDRESS_KEYS = {"server", "retinaface_address"}


def public_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration without addresses of servers.

    The authors of a data set give its address to people who agreed to their terms.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key in ADDRESS_KEYS and value is not None:
            found[key] = "(not shown)"
        else:
            nested = isinstance(value, Mapping)
            found[key] = public_values(value) if nested else value
    return found
