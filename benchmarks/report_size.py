"""The report of a run as large as FaceForensics++: its size, time and memory.

    python -m benchmarks.report_size RESULTS FOLDER

RESULTS are those of `make demo`. Their tables, pictures and maps are repeated under the
names of 4 models, 7 protocols, 6 methods and 3 compressions, in FOLDER, and the report
of that is built. The numbers mean nothing. Tables have as many rows, and atlases
have as many cells, as those of such a run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image

Image.MAX_IMAGE_PIXELS = None

METHODS = {
    **dict.fromkeys(("Deepfakes", "FaceShifter"), "Deepfakes"),
    **dict.fromkeys(("Face2Face", "DeepFakeDetection"), "Face2Face"),
    **{"FaceSwap": "FaceSwap", "NeuralTextures": "NeuralTextures"},
    **{"real": "real", "all": "all"},
}
COMPRESSIONS = ("raw", "c23", "c40")
MODELS = ("xception", "densenet", "efficientnet", "vit")
PROTOCOLS = ("all", *(f"without-{name.lower()}" for name in list(METHODS)[:6]))
SHEETS = 18  # contact sheets of 160 test videos
COMPARED = 24  # times as many rows in the comparison of detectors
FACTOR = 4  # test videos of FaceForensics++ for each one of the demo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    names = write_results(args.results, args.folder)
    page = args.folder / "report/index.html"
    command = [sys.executable, "-m", "pipeline.build_report"]
    command += [
        "--run",
        str(args.folder / "report/run.json"),
        "--page",
        str(page),
        "--workers",
        "2",
    ]
    start = time.monotonic()
    peak = largest_memory(subprocess.Popen(command))
    seconds = time.monotonic() - start
    pages = sorted(page.parent.glob("pages/*.html"))
    print(f"detectors            {len(names)}")
    print(f"atlases              {3 * len(names)}")
    print(f"index                {page.stat().st_size / 1e6:.1f} MB")
    print(f"pages beside it      {len(pages)}")
    print(f"the largest          {max(p.stat().st_size for p in pages) / 1e6:.1f} MB")
    print(f"time                 {seconds:.0f} s")
    print(f"largest memory       {peak / 1e9:.2f} GB")


def largest_memory(process: subprocess.Popen) -> int:
    """Wait for a process. Returns the largest memory of it and its children, in bytes.

    Memory that several processes share counts once: it is the sum of the proportional
    set sizes.
    """
    largest = 0
    while process.poll() is None:
        largest = max(largest, sum(map(memory_of, family(process.pid))))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.returncode)
    return largest


def family(pid: int) -> list[int]:
    """A process and all of its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def memory_of(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return 1024 * int(line.split()[1])


def write_results(results: Path, folder: Path) -> Sequence[tuple[str, str]]:
    """Write the large run. Returns its detectors."""
    described = json.loads((results / "report/run.json").read_text())
    baselines = described["config"]["attribution"]["baselines"]
    one = results / "atlases/xception/all"
    base = folder / ".one"
    for baseline in baselines:
        repeat_atlas(one / baseline, base / "atlases" / baseline)
    for file in one.iterdir():
        if file.is_file():
            repeat_file(file, base / "detector" / file.name)
    for file in (results / "metrics/xception/all").iterdir():
        if file.is_file():
            repeat_file(file, base / "metrics" / file.name)
    detectors = [(model, protocol) for model in MODELS for protocol in PROTOCOLS]
    for model, protocol in detectors:
        name = f"{model}/{protocol}"
        link_tree(base / "atlases", folder / "atlases" / name)
        link_tree(base / "detector", folder / "atlases" / name)
        link_tree(base / "metrics", folder / "metrics" / name)
        link_tree(results / "models/xception/all", folder / "models" / name)
        for baseline in baselines:
            maps = f"{name}/{baseline}"
            source = results / "attributions/xception/all" / baseline
            link_tree(source, folder / "attributions" / maps)
    for stage in ("faces", "videos"):
        link_tree(results / stage, folder / stage)
    described["shards"]["test"] = [f"miniature-test-{n:03d}" for n in range(SHEETS)]
    sheet = folder / "faces/miniature-test-000.png"
    for shard in described["shards"]["test"][1:]:
        os.link(sheet, sheet.with_name(f"{shard}.png"))
    write_shared(results, folder, detectors)
    described["detectors"] = [
        {
            "model": model,
            "protocol": protocol,
            "weights": str(folder / f"models/{model}/{protocol}/weights.safetensors"),
        }
        for model, protocol in detectors
    ]
    (folder / "report").mkdir(parents=True)
    (folder / "report/run.json").write_text(json.dumps(described))
    return detectors


def write_shared(
    results: Path, folder: Path, detectors: Sequence[tuple[str, str]]
) -> None:
    """The tables and figures over all detectors."""
    for file in ("metrics/videos.csv", "metrics/differences.csv"):
        write_for_detectors(results / file, folder / file, detectors)
    significance = "atlases/significance.csv"
    write_for_detectors(results / significance, folder / significance, detectors)
    rows = len(pd.read_csv(folder / significance))
    with h5py.File(results / "atlases/significance.h5") as source:
        squares, marks = source["squares"][:], dict(source.attrs)
    with h5py.File(folder / "atlases/significance.h5", "w") as target:
        target.attrs.update(marks)
        repeated = np.resize(squares, (rows, *squares.shape[1:]))
        target.create_dataset("squares", data=repeated, compression="gzip")
    for file in results.glob("atlases/models-*.csv"):
        repeat_file(file, folder / "atlases" / file.name)
    for file in results.glob("atlases/models-*.png"):  # as tall as for all pairs
        with Image.open(file) as one:
            picture = Image.new("RGB", (one.width, COMPARED * one.height))
            for number in range(COMPARED):
                picture.paste(one, (0, number * one.height))
        picture.save(folder / "atlases" / file.name)
    repeat_file(results / "metrics/auc.png", folder / "metrics/auc.png")


def repeat_file(source: Path, target: Path) -> None:
    """Link a file; a table gets the rows of all methods and compressions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != ".csv":
        os.link(source, target)
        return
    table = pd.read_csv(source, dtype=str, keep_default_na=False)
    repeated(table).to_csv(target, index=False)


def repeated(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table for all methods and compressions."""
    if not {"method", "compression"} <= set(table.columns):
        return table
    parts = [
        table[table["method"] == original].assign(method=name, compression=compression)
        for compression in COMPRESSIONS
        for name, original in METHODS.items()
    ]
    return pd.concat(parts, ignore_index=True)


def repeat_atlas(source: Path, target: Path) -> None:
    """An atlas with the cells and frames of all methods and compressions."""
    for file in source.iterdir():
        if file.is_file() and file.name not in ("arrays.h5", "frames.csv"):
            repeat_file(file, target / file.name)
    frames = pd.read_csv(source / "frames.csv", dtype=str, keep_default_na=False)
    many = pd.concat([frames] * FACTOR, ignore_index=True)
    repeated(many).to_csv(target / "frames.csv", index=False)
    with (
        h5py.File(source / "arrays.h5") as old,
        h5py.File(target / "arrays.h5", "w") as new,
    ):
        new.attrs.update(old.attrs)
        for compression in COMPRESSIONS:
            for name, original in METHODS.items():
                for group in old["cells"].values():
                    if group.attrs["method"] != original:
                        continue
                    cell = new.create_group(f"cells/{len(new.get('cells', ())):04d}")
                    cell.attrs.update(group.attrs)
                    cell.attrs.update(method=name, compression=compression)
                    for key in ("mean", "face", "mask", "pooled"):
                        old.copy(group[key], cell, key)


def write_for_detectors(
    source: Path, target: Path, detectors: Sequence[tuple[str, str]]
) -> None:
    """A table over all detectors, with the rows of the first for each of them."""
    table = pd.read_csv(source, dtype=str, keep_default_na=False)
    own = repeated(table[table["model"] == table["model"].iloc[0]])
    parts = [own.assign(model=model, protocol=p) for model, p in detectors]
    target.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(parts, ignore_index=True).to_csv(target, index=False)


def link_tree(source: Path, target: Path) -> None:
    """Make hard links to all files below a folder."""
    for file in source.rglob("*"):
        if file.is_file():
            link = target / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, link)


if __name__ == "__main__":
    main()
