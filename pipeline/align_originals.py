"""Align the original videos with the fakes of a test shard (rule `align_originals`)."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.attributions.original_alignment import write_originals
from pipeline.config.faces import FacesConfig
from pipeline.runtime.allocation import workers_that_fit
from pipeline.runtime.command_line import run
from pipeline.videos.shard_table import read_table


@dataclass(frozen=True)
class Arguments:
    faces: Path
    root: Path
    output: Path
    tables: list[Path]
    config: FacesConfig
    workers: int
    memory: int  # MB


def main(args: Arguments) -> None:
    videos = pd.concat([read_table(path) for path in args.tables])
    path_of = dict(zip(videos["video"], videos["path"], strict=True))
    originals = {
        fake: args.root / path_of[original]
        for fake, original in zip(videos["video"], videos["original"], strict=True)
        if original in path_of
    }
    write_originals(
        args.output,
        args.faces,
        originals,
        config=args.config,
        workers=workers_that_fit(args.workers, "haar", args.memory),
        provenance={"decoder": args.config.decoder},
    )


if __name__ == "__main__":
    run(main, Arguments)
