"""Extract a shard's face crops (rule `extract_faces`)."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pipeline.config.faces import NOT_OF_CROPS, FacesConfig
from pipeline.faces.extraction_pool import Task, extract_rest, known_sums
from pipeline.faces.shards import writing_faces
from pipeline.faces.video_faces import (
    check_failures,
)
from pipeline.files.checksums import file_sha256, read_checksums
from pipeline.files.finished_parts import finished_parts
from pipeline.runtime.allocation import workers_that_fit
from pipeline.runtime.code_version import code_version
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.progress import progress

PACKAGES = ("av", "decord", "opencv-contrib-python-headless", "retina-face", "h5py")


def main() -> None:
    args = parse(
        __doc__,
        files=["table", "checksums", "root", "output"],
        texts=["workers", "memory", "config"],
    )
    config = FacesConfig.model_validate_json(args.config)
    table = pd.read_csv(args.table, dtype=str, keep_default_na=False)
    numbers = {"label": int, "bytes": int}
    table = table.sort_values("video", ignore_index=True)
    problems = table.pop("problem")  # of those that could not be had
    columns = {name: numbers.get(name, str) for name in table.columns}
    videos = table.astype(columns).to_dict("records")
    sums = read_checksums(args.checksums)
    provenance = {
        "faces": config.model_dump(exclude={*NOT_OF_CROPS, "time_limit"}),
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
            known = problem.removeprefix("its mask: ") in faces.reason
            told = [faces.reason] if known else [faces.reason, problem]
            told = [problem] if faces.status == "missing" else told
            reason = "; ".join(filter(None, told))
            shard.add(video, replace(faces, reason=reason) if problem else faces)
        check_failures(pd.DataFrame(shard.rows), config.max_failed, args.root)


if __name__ == "__main__":
    run(main)
