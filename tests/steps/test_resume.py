"""A step that was killed within a shard continues after its last finished part."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.real_faces import write_real_faces
from pipeline.attributions.shards import AttributionShard
from pipeline.files.checksums import file_sha256, take_checksums, write_checksums
from tests.support import forked
from tests.support.runs import REPOSITORY

FACES = {"frames": 4, "size": 48, "detector": "haar", "max_failed": 1.0}


def extraction(corpus: Path, folder: Path, faces: dict) -> tuple[list[str], Path]:
    """The command that extracts the corpus, and its output file."""
    folder.mkdir(exist_ok=True)
    names = sorted(str(p.relative_to(corpus)) for p in corpus.rglob("c*/**/*.mp4"))
    rows = [f"{name},{name},,,0,youtube,test,," for name in names]
    table, sums = folder / "t.csv", folder / "t.sha256"
    header = "video,path,mask,subject_mask,label,method,split,problem,mask_problem"
    table.write_text("\n".join([header, *rows, ""]))
    write_checksums(take_checksums(corpus, names), sums)
    output = folder / "shard.h5"
    words = {
        "table": table,
        "checksums": sums,
        "root": corpus,
        "output": output,
        "workers": 1,
        "memory": 4000,
        "config": json.dumps(faces),
    }
    return step("extract_faces", words), output


def attribution(
    finished, folder: Path, baseline: str, settings: dict
) -> tuple[list[str], Path]:
    """The command that explains a shard of a finished run, and its output file."""
    folder.mkdir(exist_ok=True)
    results, output = finished.folder / "results", folder / "maps.h5"
    made_of = results / "attributions"
    real_faces = folder / "real_faces.h5"
    if baseline == "nearest_real":
        write_real_faces(real_faces, sorted(results.glob("faces/*-val-*.h5")))
    split = "test" if baseline == "original" else "train"
    files = {
        "mean_face": {"references": made_of / "references/all.h5"},
        "nearest_real": {"real_faces": real_faces},
        "original": {"originals": made_of / "originals/miniature-test-000.h5"},
    }
    words = {
        "weights": results / "models/small/all/weights.safetensors",
        "faces": results / f"faces/miniature-{split}-000.h5",
        **dict.fromkeys(("references", "real_faces", "originals"), ""),
        **files.get(baseline, {}),
        "baseline": baseline,
        "output": output,
        "seed": 0,
        "threads": 1,
        "config": json.dumps({"frames": 2} | settings),
    }
    return step("attribute_frames", words), output


def step(name: str, words: dict) -> list[str]:
    """The command of a step, with `words` as its flags."""
    arguments = [f"--{key}={value}" for key, value in words.items()]
    return [sys.executable, "-m", f"pipeline.{name}", *arguments]


def kill_after_parts(command: list[str], output: Path, count: int) -> None:
    """Start the command, and kill it once it has saved `count` parts."""
    process = forked.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    folder = output.with_name(f".{output.stem}.parts")
    deadline = time.monotonic() + 120
    while len(list(folder.glob("[!.]*.npz"))) < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not output.exists()


def finish(command: list[str]) -> int:
    """Run the command until it ends. Returns the number of parts that it reused."""
    done = forked.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"going on after (\d+) finished parts", done.stderr)
    return int(found[1]) if found else 0


def assert_killed_gives_the_same_file(make, folder: Path, other: dict) -> None:
    """A killed run reuses its parts and writes the same bytes as an undisturbed run.

    `make` returns the command and its output for a folder. With the settings `other`,
    parts are not reused.
    """
    command, undisturbed = make(folder / "undisturbed")
    assert finish(command) == 0
    command, output = make(folder / "run")
    kill_after_parts(command, output, 2)
    assert finish(command) >= 2
    assert file_sha256(output) == file_sha256(undisturbed)
    left = {file.name for file in output.parent.iterdir() if ".parts" in file.name}
    assert not left
    output.unlink()
    kill_after_parts(command, output, 2)
    command, output = make(folder / "run", other)
    assert finish(command) == 0  # the settings differ


def test_extraction_continues_after_the_last_video(corpus, tmp_path):
    def make(folder, faces=FACES):
        return extraction(corpus, folder, faces)

    assert_killed_gives_the_same_file(make, tmp_path, FACES | {"frames": 3})
    with h5py.File(tmp_path / "run/shard.h5") as shard:
        assert len(shard["crops"]) > 0


@pytest.mark.parametrize(
    ("baseline", "engine"),
    [
        pytest.param(
            "black",
            {"engine": "captum", "steps": 30},
            id="captum",
            marks=pytest.mark.slow,
        ),
        pytest.param("noise", {"first_steps": 33, "map_tolerance": 0.5}, id="adaptive"),
    ],
)
def test_attribution_continues_after_the_last_chunk(
    finished, tmp_path, baseline, engine
):
    slow = engine | {"frames": None, "batch_size": 4}

    def make(folder, settings=slow):
        return attribution(finished, folder, baseline, settings)

    assert_killed_gives_the_same_file(make, tmp_path, slow | {"tolerance": 0.2})


@pytest.mark.parametrize(
    "baseline",
    [
        *("grey", "white", "blurred", "mean_face", "noise"),
        *("original", "nearest_real"),
    ],
)
def test_maps_from_every_baseline_are_complete(finished, tmp_path, baseline):
    command, output = attribution(finished, tmp_path, baseline, {"noise_draws": 3})
    assert finish(command) == 0
    with AttributionShard(output) as shard:
        maps, frames = shard.maps[:], shard.frames
        assert shard.file.attrs["baseline"] == baseline
        made_from = json.loads(shard.file.attrs["provenance"])["sha256"]
    change = frames["logit"] - frames["baseline_logit"]
    sums, norms = (part.sum((1, 2), dtype=float) for part in (maps, np.abs(maps)))
    error = completeness_error(sums, change, norms)
    assert len(maps) == len(frames) > (2 if baseline == "original" else 10)
    if baseline == "original":
        assert (frames["label"] == 1).all()
        assert (frames["baseline_video"] == frames["original"]).all()
        assert (frames["baseline_video"] != "").all()
    elif baseline == "nearest_real":
        assert frames["baseline_video"].str.startswith("miniature/c23/real/").all()
        assert not frames["baseline_video"].str[-3:].isin(frames["target"]).any()
    else:
        assert (frames["baseline_video"] == "").all()
    assert np.allclose(error, frames["completeness_error"])
    within = (error <= 0.05) & (frames["map_error"] <= 0.1)
    assert (frames["converged"] == within).all()
    assert (frames["interval_error"] >= frames["completeness_error"] - 0.01).all()
    assert frames["draw_error"].notna().all() == (baseline == "noise")
    assert frames["converged"].mean() > 0.9
    assert (frames["steps"] >= (12 if baseline == "noise" else 4)).all()
    results = finished.folder / "results"
    weights = results / "models/small/all/weights.safetensors"
    assert made_from["weights"] == file_sha256(weights)
