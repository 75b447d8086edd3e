"""How hard the miniature corpus is: for detectors, and for scores without any network.

    python -m benchmarks.miniature_difficulty RESULTS [--root data/miniature]

Reads the results of a finished run on the miniature corpus and the videos below ROOT.
It prints, for the test videos,

- the AUC of each detector, over all methods and for each;
- the number of pairs of persons with a wrong video, for each method;
- the share of real videos called fake, on validation and on test with its interval;
- the AUC of four scores without a network. An AUC far from 0.5 would mean that a
  detector can tell fakes without looking at the face.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from pipeline.metrics.operating_point import read_points
from pipeline.models.predictions import per_video, read_predictions
from pipeline.statistics.sampling import evenly_spaced
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.table import REAL

FRAMES_OF_A_VIDEO = 12


def frame_scores(frame: np.ndarray) -> dict[str, float]:
    """Scores of a frame (H, W, 3) uint8 RGB: sharpness, colour and noise.

    The noise level is that of Immerkaer (1996): a mask that cancels edges.
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    colour = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32) - 128
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    noise = np.abs(cv2.filter2D(grey, -1, mask))[1:-1, 1:-1].mean()
    return {
        "variance of the Laplacian": float(cv2.Laplacian(grey, cv2.CV_32F).var()),
        "mean chroma": float(np.hypot(*np.moveaxis(colour, 2, 0)).mean()),
        "noise level": float(noise * np.sqrt(np.pi / 2) / 6),
    }


def video_scores(path: Path) -> dict[str, float]:
    """`frame_scores` of a video, averaged over some frames, and its bits a frame."""
    video = open_video(path, "pyav")
    total = video.index.total
    wanted = evenly_spaced(total, FRAMES_OF_A_VIDEO)
    frames = [frame for _, part in Frames(video, wanted, 8) for frame in part]
    means = pd.DataFrame([frame_scores(frame) for frame in frames]).mean().to_dict()
    return {**means, "bits a frame": 8 * path.stat().st_size / total}


def simple_aucs(videos: pd.DataFrame, root: Path) -> pd.DataFrame:
    """AUC of each score without a network: a row a score, a column a method, and `all`.

    `videos` has the columns path, label and method.
    """
    scores = pd.DataFrame([video_scores(root / path) for path in videos["path"]])
    table = videos[["label", "method"]].reset_index(drop=True)
    return pd.DataFrame(
        {name: method_aucs(table.assign(logit=scores[name])) for name in scores}
    ).T


def method_aucs(videos: pd.DataFrame) -> dict[str, float]:
    """AUC of all fakes, and of those of each method, against all real videos."""
    methods = sorted(set(videos["method"]) - {REAL})
    parts = {"all": videos}
    parts |= {m: videos[videos["method"].isin([REAL, m])] for m in methods}
    return {
        name: float(roc_auc_score(part["label"], part["logit"]))
        for name, part in parts.items()
    }


def wrong_pairs(videos: pd.DataFrame, threshold: float) -> dict[str, int]:
    """Number of pairs of persons with a wrongly classified video, by method.

    Persons 2k and 2k + 1 of the miniature corpus are a pair.
    """
    wrong = (videos["logit"] >= threshold) != (videos["label"] == 1)
    pairs = (videos["target"].astype(int) // 2).where(wrong)
    return pairs.groupby(videos["method"]).nunique().to_dict()


def false_positive_rate(videos: pd.DataFrame, threshold: float) -> float:
    """Share of the real videos that are called fake."""
    return float((videos.loc[videos["label"] == 0, "logit"] >= threshold).mean())


def detector_rows(results: Path) -> pd.DataFrame:
    """One row for each detector: its AUCs, pairs with a wrong video, and rates."""
    rows = {}
    for folder in sorted((results / "metrics").glob("*/*")):
        predicted = {
            split: per_video(
                pd.concat(
                    read_predictions(file)
                    for file in sorted(folder.glob(f"predictions/*-{split}-*.csv"))
                )
            )
            for split in ("val", "test")
        }
        threshold = read_points(folder / "operating_point.csv")["video"].threshold
        metrics = pd.read_csv(folder / "videos.csv")
        chosen = (metrics["metric"] == "specificity") & (metrics["method"] == "all")
        specificity = metrics[chosen].iloc[0]
        wrong = wrong_pairs(predicted["test"], threshold)
        rows["/".join(folder.parts[-2:])] = {
            **{f"AUC {k}": v for k, v in method_aucs(predicted["test"]).items()},
            **{f"wrong pairs {name}": count for name, count in wrong.items()},
            "FPR val": false_positive_rate(predicted["val"], threshold),
            "FPR test": false_positive_rate(predicted["test"], threshold),
            "FPR test low": 1 - specificity["high"],
            "FPR test high": 1 - specificity["low"],
        }
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--root", type=Path, default=Path("data/miniature"))
    args = parser.parse_args()
    print(detector_rows(args.results).round(3).to_string())
    videos = pd.read_csv(args.results / "faces/summary.csv")
    test = videos[videos["split"] == "test"]
    print(simple_aucs(test, args.root).round(3).to_string())


if __name__ == "__main__":
    main()
