"""Extract a shard's face crops (rule `extract_faces`)."""

import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pipeline.config.faces import FacesConfig
from pipeline.faces.extraction_pool import Task, extract_rest, known_sums
from pipeline.faces.shards import writing_faces
from pipeline.faces.video_faces import check_failures, with_problems
from pipeline.files.checksums import file_sha256, read_checksums
from pipeline.files.finished_parts import finished_parts
from pipeline.runtime.allocation import workers_that_fit
from pipeline.runtime.code_version import code_version
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.progress import progress
from pipeline.videos.shard_table import NUMBERS, read_table

PACKAGES = ("av", "decord", "opencv-contrib-python-headless", "retina-face", "h5py")


def main() -> None:
    args = parse(
        __doc__,
        files=["table", "checksums", "root", "output"],
        texts=["workers", "memory", "config"],
    )
    config = FacesConfig.model_validate_json(args.config)
    table = read_table(args.table).sort_values("video", ignore_index=True)
    problems = list(zip(table.pop("problem"), table.pop("mask_problem"), strict=True))
    columns = {name: NUMBERS.get(name, str) for name in table.columns}
    videos = table.to_dict("records")
    sums = read_checksums(args.checksums)
    kept = config.keys_for("extract_faces") - {"time_limit"}
    provenance = {
        "faces": config.model_dump(include=kept),
        "versions": {name: version(name) for name in PACKAGES},
    }
    tasks = [
        Task(args.root, video["path"], video["mask"], known_sums(video, sums))
        for video in videos
    ]
    workers = workers_that_fit(int(args.workers), config.detector, int(args.memory))
    weights = config.retinaface_weights
    weights_sha256 = file_sha256(Path(weights)) if weights else ""
    made_from = [table.to_csv(), sums, str(args.root), weights_sha256]
    work = json.dumps([made_from, provenance, code_version("extract_faces")])
    with (
        finished_parts(args.output, work) as parts,
        writing_faces(args.output, config.size, provenance, columns) as shard,
    ):
        results = extract_rest(tasks, config, workers, parts)
        results = progress(results, len(videos), "extract", "videos")
        for video, faces, problem in zip(videos, results, problems, strict=True):
            shard.add(video, with_problems(faces, *problem))
        check_failures(pd.DataFrame(shard.rows), config.max_failed, args.root)


if __name__ == "__main__":
    run(main)
