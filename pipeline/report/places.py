"""The places that a part of the report is shown for, and the files it needs."""

from collections.abc import Iterator

from pipeline.config.protocols import FINISHED
from pipeline.report.parts import Figure, Place, Table
from pipeline.report.run_description import RunDescription
from pipeline.report.sections import SECTIONS, Block

# What a part is shown once for each of.
RUN, SHARD, BASELINE, DETECTOR, ATLAS = "run", "shard", "baseline", "detector", "atlas"
ATLAS_BLOCKS = ("viewer", "gallery")


def scope_of(part: Figure | Table | Block) -> str:
    """What a part is shown for: the run, each shard of test, each baseline, each
    detector, or each atlas."""
    if isinstance(part, Block):
        return ATLAS if part.name in ATLAS_BLOCKS else RUN
    has_model, has_baseline = "{model}" in part.file, "{baseline}" in part.file
    if has_model:
        return ATLAS if has_baseline else DETECTOR
    if has_baseline:
        return BASELINE
    return SHARD if "{shard}" in part.file else RUN


def places(run: RunDescription, scope: str) -> Iterator[Place]:
    """All places of a scope: what the names in a pattern stand for."""
    if scope == RUN:
        yield {}
    if scope == SHARD:
        yield from ({"shard": name} for name in run.shards.get("test", []))
    if scope == BASELINE:
        yield from ({"baseline": name} for name in run.baselines)
    for detector in run.detectors:
        names = {"model": detector.model, "protocol": detector.protocol}
        if scope == DETECTOR:
            yield names
        if scope == ATLAS:
            yield from ({**names, "baseline": name} for name in run.baselines)


def expected_files(run: RunDescription) -> Iterator[tuple[str, str]]:
    """The files of all figures and tables of the report, and their captions.

    Without those that this run does not make, and those of the report itself.
    """
    found: dict[str, str] = {}
    for section in SECTIONS:
        for part in section.parts:
            if isinstance(part, Block) or not run.has(part.needs):
                continue
            if not run.has_labels and part.file.startswith(("metrics/", "atlases/")):
                continue
            for place in places(run, scope_of(part)):
                file = part.file.format(**place)
                is_own = file.startswith("report/")
                if not is_own and not _is_of_training(file, run, place):
                    found.setdefault(file, part.caption)
    yield from found.items()


def _is_of_training(file: str, run: RunDescription, place: Place) -> bool:
    """Whether a file is of the training of a detector that the run did not train."""
    return file.startswith("models/") and place["protocol"] == FINISHED
