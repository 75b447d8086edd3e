"""Extract the face crops of a shard (rule `extract_faces`)."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.calibration import face_detector_entry
from pipeline.faces.extraction_pool import Task, checksums_of_video, resume_extraction
from pipeline.faces.shards import writing_faces
from pipeline.faces.video_faces import check_failures, with_problems
from pipeline.files.checksums import file_sha256, read_checksums
from pipeline.files.finished_parts import finished_parts
from pipeline.runtime.allocation import workers_that_fit
from pipeline.runtime.code_version import code_version
from pipeline.runtime.command_line import run
from pipeline.runtime.progress import progress
from pipeline.videos.shard_table import INTEGER_COLUMNS, read_table

# Their versions are recorded in the output file.
PACKAGES = (
    *("av", "decord", "opencv-contrib-python-headless", "h5py"),
    *("torch", "torchvision", "onnx", "retina-face"),
)


@dataclass(frozen=True)
class Arguments:
    table: Path
    checksums: Path
    root: Path
    output: Path
    workers: int
    memory: int  # MB
    config: FacesConfig


def main(args: Arguments) -> None:
    config = args.config
    table = read_table(args.table).sort_values("video", ignore_index=True)
    problems = list(zip(table.pop("problem"), table.pop("mask_problem"), strict=True))
    columns = {name: INTEGER_COLUMNS.get(name, str) for name in table.columns}
    videos = table.to_dict("records")
    sums = read_checksums(args.checksums)
    recorded_keys = config.keys_for("extract_faces") - {"time_limit"}
    provenance = {
        "faces": config.model_dump(include=recorded_keys),
        "face_detector": face_detector_entry(config.detector),
        "versions": {name: version(name) for name in PACKAGES},
    }
    tasks = [
        Task(
            root=args.root,
            video=video["path"],
            mask=video["mask"],
            subject_mask=video["subject_mask"],
            is_fake=video["label"] == 1,
            checksums=checksums_of_video(video, sums),
        )
        for video in videos
    ]
    workers = workers_that_fit(args.workers, config.detector, args.memory)
    weights = config.retinaface_weights
    weights_sha256 = file_sha256(Path(weights)) if weights else ""
    made_from = [table.to_csv(), sums, str(args.root), weights_sha256]
    work = json.dumps([made_from, provenance, code_version("extract_faces")])
    with (
        finished_parts(args.output, work) as parts,
        writing_faces(args.output, config.size, provenance, columns) as shard,
    ):
        results = resume_extraction(tasks, config, workers, parts)
        results = progress(results, len(videos), "extract", "videos")
        for video, faces, problem in zip(videos, results, problems, strict=True):
            shard.add(video, with_problems(faces, *problem))
        check_failures(pd.DataFrame(shard.rows), config.max_failed, args.root)


if __name__ == "__main__":
    run(main, Arguments)
