"""Extract a shard's face crops (rule `extract_faces`)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pipeline.allocation import workers_that_fit
from pipeline.checksums import file_sha256, read_checksums
from pipeline.code_version import code_version
from pipeline.command_line import parse, run
from pipeline.config.faces import NOT_OF_CROPS, FacesConfig
from pipeline.errors import StepError
from pipeline.extraction import Task, extract_all
from pipeline.face_shards import (
    USABLE,
    VideoFaces,
    from_arrays,
    to_arrays,
    writing_faces,
)
from pipeline.finished_parts import FinishedParts, finished_parts
from pipeline.progress import progress

MAY_PASS = ("missing", "crashed", "timeout")  # statuses that another try may mend
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


def extract_rest(
    tasks: list[Task], config: FacesConfig, workers: int, parts: FinishedParts
) -> Iterator[VideoFaces]:
    """What each video gives, in order; what an earlier try has found is taken up."""
    there = [task.video in parts for task in tasks]
    todo = [task for task, done in zip(tasks, there, strict=True) if not done]
    results = extract_all(todo, config, workers)
    for task, done in zip(tasks, there, strict=True):
        if done:
            yield from_arrays(parts.load(task.video))
            continue
        faces = next(results)
        if faces.status not in MAY_PASS:
            parts.save(task.video, to_arrays(faces))
        yield faces


def known_sums(video: dict[str, str], sums: dict[str, str]) -> dict[str, str]:
    """Those of a shard's checksums that are a video's and its mask's."""
    return {n: sums[n] for n in (video["path"], video["mask"]) if n in sums}


def check_failures(videos: pd.DataFrame, max_failed: float, root: Path) -> None:
    """Raise StepError where too many videos gave no face; it names them."""
    failed = videos[~videos["status"].isin(USABLE)] if len(videos) else videos
    if len(failed) < 2 or len(failed) <= max_failed * len(videos):
        return
    worst = "\n".join(f"  {root / v.path}: {v.reason}" for v in failed.itertuples())
    raise StepError(
        f"{len(failed)} of {len(videos)} videos failed, more than the share "
        f"{max_failed} that faces.max_failed allows:\n{worst}\n"
        "Mend or fetch these files again, or raise faces.max_failed."
    )


if __name__ == "__main__":
    run(main)
