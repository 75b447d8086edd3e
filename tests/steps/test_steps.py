"""Steps as programs without Snakemake, on rare and damaged input."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from pipeline.faces.shards import FaceShard
from tests.support import forked
from tests.support.runs import REPOSITORY


def step(name: str, folder: Path, **arguments) -> subprocess.CompletedProcess:
    """Run `python -m pipeline.<name>` with the given arguments."""
    words = []
    for key, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{key}", *(str(v) for v in values)]
    return forked.run(
        [sys.executable, "-m", f"pipeline.{name}", *words],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_a_shard_without_videos_passes_all_steps(finished, tmp_path):
    """With few videos and many shards, some shards have no video."""
    run = finished.copy(tmp_path / "run")
    results = run.folder / "results"
    table = pd.read_csv(results / "videos/miniature-test-000.csv").iloc[:0]
    table.to_csv(tmp_path / "empty.csv", index=False)
    (tmp_path / "empty.sha256").write_text("")
    weights = results / "models/small/all/weights.safetensors"
    faces, maps = tmp_path / "empty.h5", tmp_path / "maps/empty.h5"
    full = results / "faces/miniature-test-000.h5"
    done = [
        step(
            "extract_faces",
            tmp_path,
            table=tmp_path / "empty.csv",
            checksums=tmp_path / "empty.sha256",
            root=run.folder / "data/miniature",
            config='{"size": 48, "detector": "haar"}',
            workers=1,
            memory=4000,
            output=faces,
        ),
        step("summarize_faces", tmp_path, shards=[full, faces], summary="s.csv"),
        step(
            "predict_frames",
            tmp_path,
            weights=weights,
            faces=faces,
            output="empty-p.csv",
            threads=1,
        ),
        step(
            "align_originals",
            tmp_path,
            faces=faces,
            root=run.folder / "data/miniature",
            tables=[tmp_path / "empty.csv"],
            config="{}",
            workers=1,
            memory=4000,
            output="originals.h5",
        ),
        step(
            "attribute_frames",
            tmp_path,
            weights=weights,
            faces=faces,
            references="",
            real_faces="",
            originals="originals.h5",
            baseline="original",
            output=maps,
            config="{}",
            seed=0,
            threads=1,
        ),
        step(
            "measure_controls",
            tmp_path,
            weights=weights,
            faces=faces,
            attributions=[maps],
            references="",
            real_faces="",
            originals="originals.h5",
            output="controls.h5",
            config='{"baselines": ["original"]}',
            frames=8,
            margin=1.3,
            seed=0,
            threads=1,
        ),
        step(
            "summarize_controls",
            tmp_path,
            controls=["controls.h5"],
            regions="effects.csv",
            curves="curves.csv",
            resamples=100,
            seed=0,
        ),
        step(
            "draw_interventions",
            tmp_path,
            regions="effects.csv",
            curves="curves.csv",
            figure="effects.png",
            title="small/all",
        ),
        step(
            "sum_attributions",
            tmp_path,
            attributions=[
                results / "attributions/small/all/black/miniature-test-000.h5",
                maps,
            ],
            faces=[full, faces],
            originals=[],
            controls=[],
            baseline="black",
            references="",  # as in a run without training videos
            points=results / "metrics/small/all/operating_point.csv",
            **{k: f"{k}.h5" for k in ("arrays", "sample")},
            **{k: f"{k}.csv" for k in ("frames", "cells", "regions", "masks")},
            registration="registration.csv",
            margin=1.3,
            resamples=100,
            seed=0,
        ),
    ]
    for result in done:
        assert result.returncode == 0, result.stderr[-3000:]
    with FaceShard(full) as shard:
        assert len(pd.read_csv(tmp_path / "s.csv")) == len(shard.videos)
    assert len(pd.read_csv(tmp_path / "empty-p.csv")) == 0
    predictions = results / "metrics/small/all/predictions"
    tables = [*sorted(predictions.glob("*-test-*.csv")), tmp_path / "empty-p.csv"]
    predicted = step("predict_videos", tmp_path, predictions=tables, predicted="p.csv")
    assert predicted.returncode == 0, predicted.stderr[-3000:]
    evaluated = step(
        "evaluate_model",
        tmp_path,
        predictions=tables,
        predicted="p.csv",
        points=results / "metrics/small/all/operating_point.csv",
        videos="v.csv",
        frames="f.csv",
        model="small",
        protocol="all",
        config='{"bootstrap": 100}',
        seed=0,
    )
    assert evaluated.returncode == 0, evaluated.stderr[-3000:]
    figures = ("roc", "recall", "det", "reliability", "scores")
    drawn = step(
        "draw_scores",
        tmp_path,
        predictions=tables,
        points=results / "metrics/small/all/operating_point.csv",
        **{name: f"{name}.png" for name in figures},
        model="small",
        protocol="all",
    )
    assert drawn.returncode == 0, drawn.stderr[-3000:]
    assert all((tmp_path / f"{name}.png").exists() for name in figures)
    expected = (predictions / "videos.csv").read_bytes()
    assert (tmp_path / "p.csv").read_bytes() == expected
    assert pd.read_csv(tmp_path / "cells.csv")["frames"].sum() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("not a file of weights", "is not a safetensors file"),
        (None, "is not a safetensors file"),
    ],
)
def test_an_error_names_the_damaged_weights(finished, tmp_path, wrong, message):
    weights = tmp_path / "weights.safetensors"
    if wrong:
        weights.write_text(wrong)
    done = step(
        "predict_frames",
        tmp_path,
        weights=weights,
        faces=finished.folder / "results/faces/miniature-test-000.h5",
        output="p.csv",
        threads=1,
    )
    assert done.returncode == 1
    assert str(weights) in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "p.csv").exists()


def test_a_face_shard_records_how_it_was_made(finished):
    with FaceShard(finished.folder / "results/faces/miniature-test-000.h5") as shard:
        provenance = json.loads(shard.file.attrs["provenance"])
    assert provenance["faces"]["margin"] == 1.3
    assert set(provenance["versions"]) >= {"decord", "h5py"}


@pytest.mark.parametrize("damaged_part", ["fc.weight", "fc.bias"])
def test_attributions_that_are_not_finite_end_the_step(
    finished, tmp_path, damaged_part
):
    """A damaged bias makes the logit not finite, but not its gradient."""
    results = finished.folder / "results"
    damaged = tmp_path / "weights.safetensors"
    with safe_open(results / "models/small/all/weights.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = file.metadata()
    (last,) = (name for name in tensors if name.endswith(damaged_part))
    tensors[last].view(-1)[0] = float("nan")
    save_file(tensors, damaged, about)
    done = step(
        "attribute_frames",
        tmp_path,
        weights=damaged,
        faces=results / "faces/miniature-test-000.h5",
        references="",
        real_faces="",
        originals="",
        baseline="black",
        output=tmp_path / "maps.h5",
        config="{}",
        seed=0,
        threads=1,
    )
    assert done.returncode == 1
    assert f"{damaged}: the model's logit or its gradient is not finite" in done.stderr
    assert "lower `learning_rate`" in done.stderr
    assert not (tmp_path / "maps.h5").exists()
