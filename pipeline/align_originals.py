"""Find the originals of a test shard's fakes (rule `align_originals`)."""

import pandas as pd

from pipeline.attributions.original_alignment import write_originals
from pipeline.config.faces import FacesConfig
from pipeline.runtime.allocation import workers_that_fit
from pipeline.runtime.command_line import parse, run
from pipeline.videos.shard_table import read_table


def main() -> None:
    files = ["faces", "root", "output", "tables*"]
    args = parse(__doc__, files=files, texts=["config", "workers", "memory"])
    config = FacesConfig.model_validate_json(args.config)
    videos = pd.concat([read_table(path) for path in args.tables])
    path_of = dict(zip(videos["video"], videos["path"], strict=True))
    originals = {
        fake: args.root / path_of[original]
        for fake, original in zip(videos["video"], videos["original"], strict=True)
        if original in path_of
    }
    workers = workers_that_fit(int(args.workers), "haar", int(args.memory))
    provenance = {"decoder": config.decoder}
    write_originals(args.output, args.faces, originals, config, workers, provenance)


if __name__ == "__main__":
    run(main)
