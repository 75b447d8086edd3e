"""Which labelled videos the targets of a run need, and what to do without them.

A run that trains nothing needs no training videos, and `videos` and `faces` need no
labels. So what a step needs is checked when Snakemake plans the step, and not before.
"""

from collections.abc import Iterator
from typing import get_args

import pandas as pd

from pipeline.config.baseline_names import ORIGINAL, REAL_FACE_SPLITS, Baseline
from pipeline.config.run import RunConfig
from pipeline.videos.table import LABEL_NAMES

TRAINING, BASELINES, REFERENCES = "training", "baselines", "references"
REAL_FACES = "real faces"
TESTS, LABELS = "tests", "labels"
# What the targets need. The targets `videos` and `faces` need nothing.
TARGET_NEEDS = {
    "models": (TRAINING,),
    "predictions": (TRAINING, TESTS),
    "metrics": (TRAINING, TESTS, LABELS),
    "attributions": (TRAINING, BASELINES, TESTS),
    "atlases": (TRAINING, BASELINES, TESTS, LABELS),
    "virelay": (TRAINING, BASELINES, TESTS, LABELS),
    "all": (TRAINING, BASELINES, TESTS, LABELS),
}
# What single steps need: they are planned without a target of ours if the user asks for
# a file.
STEP_NEEDS = {
    "train_model": (TRAINING,),
    "predict_videos": (TESTS,),
    "evaluate_model": (TESTS, LABELS),
    "draw_scores": (TESTS, LABELS),
    "collect_references": (REFERENCES,),
    "collect_real_faces": (REAL_FACES,),
    "sum_attributions": (TESTS, LABELS),
}
FREE_BASELINES = [
    name for name in get_args(Baseline) if name not in (*REAL_FACE_SPLITS, ORIGINAL)
]


class MissingVideosError(ValueError):
    """The sources lack videos that a step needs. The message says what to do."""


def missing_kinds(videos: pd.DataFrame, *splits: str) -> str:
    """Which of `splits` have no real or no fake video, as text; "" if all have both.

    `videos` is the table of used videos.
    """
    missing = []
    for split in splits:
        labels = set(videos.loc[videos["split"] == split, "label"])
        kinds = [name for label, name in LABEL_NAMES.items() if label not in labels]
        if kinds:
            missing.append(f"the split {split!r} has no {' and no '.join(kinds)} video")
    return ", and ".join(missing)


def has_references(videos: pd.DataFrame) -> bool:
    """Whether there are real training videos: references are made of them."""
    return _has_real(videos, "train")


def has_originals(videos: pd.DataFrame) -> bool:
    """Whether the original of a test fake is known."""
    return bool((videos.loc[videos["split"] == "test", "original"] != "").any())


def _has_real(videos: pd.DataFrame, split: str) -> bool:
    return bool(((videos["split"] == split) & (videos["label"] == 0)).any())


def lacks(asked: str, config: RunConfig, videos: pd.DataFrame) -> list[str]:
    """What `videos` lack for a target or a step, each with the reason and the remedy.

    `asked` is a key of TARGET_NEEDS or STEP_NEEDS. Empty if nothing is missing.
    """
    checks = {
        TRAINING: _training,
        BASELINES: _baselines,
        REFERENCES: _references,
        REAL_FACES: _real_faces,
        TESTS: _tests,
        LABELS: _labels,
    }
    needs = {**TARGET_NEEDS, **STEP_NEEDS}[asked]
    return [text for need in needs for text in checks[need](config, videos)]


def message_about(asked: str, config: RunConfig, videos: pd.DataFrame) -> str:
    """All that `videos` lack for a target or a step, as a message; "" for nothing.

    `asked` is as in `lacks`.
    """
    missing = lacks(asked, config, videos)
    if not missing:
        return ""
    possible = [name for name in TARGET_NEEDS if not lacks(name, config, videos)]
    sources = ", ".join(config.sources.by_name())
    lines = [
        f"`{asked}` needs videos that the sources ({sources}) do not have.",
        *(f"- {text}" for text in missing),
        f"These targets can be made now: {', '.join(['videos', 'faces', *possible])}.",
    ]
    return "\n".join(lines)


def _training(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    models = [name for name, model in config.models.items() if not model.finished]
    missing = missing_kinds(videos, "train", "val") if models else ""
    if missing:
        keys = ", ".join(f"models.{model}.weights" for model in models)
        yield (
            f"{', '.join(models)} must be trained (train_model), and {missing}. Label "
            "clips, in the folders `real` and `fake` or in a `table`, which may also "
            "name their splits. Or give finished detectors, which need no training "
            f"videos, as {keys}."
        )


def _baselines(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    if "mean_face" in config.attribution.baselines:
        yield from _references(config, videos)
    if "nearest_real" in config.attribution.baselines:
        yield from _real_faces(config, videos)
    if ORIGINAL in config.attribution.baselines:
        yield from _originals(config, videos)


def _references(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    yield from _faces_of("mean_face", "training", "collect_references", videos)


def _real_faces(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    yield from _faces_of("nearest_real", "validation", "collect_real_faces", videos)


def _faces_of(
    baseline: Baseline, kind: str, step: str, videos: pd.DataFrame
) -> Iterator[str]:
    split = REAL_FACE_SPLITS[baseline]
    if not _has_real(videos, split):
        yield (
            f"the baseline {baseline} is made from real {kind} faces ({step}), and the "
            f"split {split!r} has no real video. Remove it from attribution.baselines; "
            f"{_free_baselines()}"
        )


def _originals(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    if not has_originals(videos):
        yield (
            "the baseline original is the frame before it was forged "
            "(align_originals), and no fake in the split 'test' has a known original: "
            "a real video of the same `target` and compression. Remove it from "
            f"attribution.baselines; {_free_baselines()}"
        )


def _free_baselines() -> str:
    return f"{', '.join(FREE_BASELINES)} need no other videos."


def _tests(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    tested = set(videos.loc[videos["split"] == "test", "dataset"])
    untested = [name for name in config.sources.by_name() if name not in tested]
    if untested:
        yield (
            f"every source is tested (predict_videos), and {', '.join(untested)} has "
            "no test video. Set `use: test`, give it more videos, or name their splits "
            "in a `table`."
        )


def _labels(config: RunConfig, videos: pd.DataFrame) -> Iterator[str]:
    missing = missing_kinds(videos, "test")
    if missing:
        yield (
            "metrics and atlases compare a detector with the labels of the test videos "
            f"(evaluate_model, sum_attributions), and {missing}. Label test clips, in "
            "the folders `real` and `fake` or in a `table`. Predictions and maps need "
            "no labels."
        )
