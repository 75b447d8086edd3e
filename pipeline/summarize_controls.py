"""Summarize the interventions of all test shards (rule `summarize_controls`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.atlases.intervention_tables import curve_effect_table, region_effect_table
from pipeline.attributions.controls import ControlShard
from pipeline.files.tables import stacked, write_csv
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    controls: list[Path]
    regions: Path
    curves: Path
    resamples: int
    seed: int


def main(args: Arguments) -> None:
    regions, curves = [], []
    for path in args.controls:
        with ControlShard(path) as shard:
            regions.append(shard.regions)
            curves.append(shard.curves)
    how = args.resamples, args.seed
    write_csv(region_effect_table(stacked(regions), *how), args.regions)
    write_csv(curve_effect_table(stacked(curves), *how), args.curves)


if __name__ == "__main__":
    run(main, Arguments)
