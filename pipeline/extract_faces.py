"""Extract a shard's face crops (rule `extract_faces`)."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pipeline.checksums import read_checksums
from pipeline.command_line import parse, run
from pipeline.config.faces import FacesConfig
from pipeline.errors import StepError
from pipeline.extraction import Task, extract_all
from pipeline.face_shards import USABLE, writing_faces
from pipeline.progress import progress

PACKAGES = ("av", "decord", "opencv-contrib-python-headless", "retina-face", "h5py")


def main() -> None:
    args = parse(
        __doc__,
        files=["table", "checksums", "root", "output"],
        texts=["workers", "config"],
    )
    config = FacesConfig.model_validate_json(args.config)
    table = pd.read_csv(args.table, dtype=str, keep_default_na=False)
    numbers = {"label": int, "bytes": int}
    table = table.sort_values("video", ignore_index=True)
    problems = table.pop("problem")  # of those that could not be fetched
    columns = {name: numbers.get(name, str) for name in table.columns}
    videos = table.astype(columns).to_dict("records")
    sums = read_checksums(args.checksums)
    provenance = {
        "faces": config.model_dump(),
        "versions": {name: version(name) for name in PACKAGES},
    }
    tasks = [
        Task(args.root, video["path"], video["mask"], known_sums(video, sums))
        for video in videos
    ]
    with writing_faces(args.output, config.size, provenance, columns) as shard:
        results = extract_all(tasks, config, int(args.workers))
        results = progress(results, len(videos), "extract", "videos")
        for video, faces, problem in zip(videos, results, problems, strict=True):
            told = [problem] if faces.status == "missing" else [faces.reason, problem]
            reason = "; ".join(filter(None, told))
            shard.add(video, replace(faces, reason=reason) if problem else faces)
        check_failures(pd.DataFrame(shard.rows), config.max_failed, args.root)


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
