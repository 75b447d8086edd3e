"""Extract a shard's face crops (rule `extract_faces`)."""

from importlib.metadata import version
from pathlib import Path

import cv2
import pandas as pd

from pipeline.checksums import read_checksums, verify
from pipeline.command_line import parse, run
from pipeline.config.faces import FacesConfig
from pipeline.detection import make_detector
from pipeline.errors import StepError
from pipeline.face_shards import USABLE, writing_faces
from pipeline.faces import extract_video
from pipeline.progress import progress


def main() -> None:
    args = parse(
        __doc__, files=["table", "checksums", "root", "output"], texts=["config"]
    )
    config = FacesConfig.model_validate_json(args.config)
    cv2.setNumThreads(1)  # shards run side by side
    table = pd.read_csv(args.table, dtype=str, keep_default_na=False)
    numbers = {"label": int, "bytes": int}
    columns = {name: numbers.get(name, str) for name in table.columns}
    table = table.astype(columns)
    sums = read_checksums(args.checksums)
    detector = make_detector(config)
    packages = ("decord", "opencv-contrib-python-headless", "retina-face", "h5py")
    provenance = {
        "faces": config.model_dump(),
        "versions": {name: version(name) for name in packages},
    }
    with writing_faces(args.output, config.size, provenance, columns) as shard:
        videos = table.to_dict("records")
        for video in progress(videos, len(videos), "extract", "videos"):
            for name in filter(None, (video["path"], video["mask"])):
                verify(args.root, name, sums)
            mask = args.root / video["mask"] if video["mask"] else None
            path = args.root / video["path"]
            shard.add(video, extract_video(path, mask, detector, config))
        check_failures(pd.DataFrame(shard.rows), config.max_failed, args.root)


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
