"""The overhead of a SLURM job, measured on the cluster on which this script runs.

    python -m benchmarks.slurm_overhead SITE.YAML

The script submits small jobs through the SLURM profile. Each renders two drawn persons
in a second or two. The jobs run twice: with the profile's pauses between queries of the
queue, and with pauses of one second. SITE.YAML is a copy of profiles/slurm/site.yaml
with the settings of the cluster. The cluster must have accounting.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import pandas as pd
import yaml

REPOSITORY = Path(__file__).parents[1]
PROFILE = REPOSITORY / "profiles/slurm"
TIMESTAMP = r"\[(\w{3} \w{3} +\d+ [\d:]{8} \d{4})\]\n"


def run(folder: Path, site: Path, shards: int, pause: int | None) -> pd.DataFrame:
    """Run `shards` jobs. Returns a table with a row for each job, in seconds."""
    pairs = {"train_pairs": shards, "val_pairs": 1, "test_pairs": 1}
    counts = {"train": shards, "val": 1, "test": 1}
    source = {"miniature": {**pairs, "max_frames": 33, "shards": counts}}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"sources": source}))
    rules = [f"render_videos_miniature-train-{n:03d}" for n in range(shards)]
    command = [sys.executable, "-m", "snakemake", *rules, "--configfile", str(config)]
    command += ["--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--workflow-profile", str(PROFILE), "--profile", str(site.resolve())]
    if pause:
        command += ["--slurm-init-seconds-before-status-checks", str(pause)]
        command += ["--seconds-between-status-checks", str(pause)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    ready = times(printed, TIMESTAMP + r"rule (render_videos\S+):")
    reported = times(printed, TIMESTAMP + r"Finished jobid: \d+ \(Rule: (\S+)\)")
    rows = []
    for rule, start, end in recorded(folder):
        shard = rule.removeprefix("render_videos_")
        benchmark = folder / f"results/benchmarks/render_videos/{shard}.tsv"
        work = pd.read_csv(benchmark, sep="\t")["s"].item()
        rows.append(
            {
                "ready to running": (start - ready[rule]).total_seconds(),
                "running, beside the work": (end - start).total_seconds() - work,
                "work": work,
                "ended to seen": (reported[rule] - end).total_seconds(),
            }
        )
    return pd.DataFrame(rows)


def times(printed: str, pattern: str) -> dict[str, datetime]:
    """The time at which each rule's line was printed; `pattern` matches both."""
    layout = "%a %b %d %H:%M:%S %Y"
    found = re.findall(pattern, printed)
    return {rule: datetime.strptime(stamp, layout) for stamp, rule in found}


def recorded(folder: Path) -> list[tuple[str, datetime, datetime]]:
    """Rule, start and end of the jobs that accounting has for a run in `folder`."""
    command = ["sacct", "--allocations", "--noheader", "--parsable2"]
    command += ["--starttime=now-1hours", "--format=WorkDir,Comment,Start,End"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return [
        (rule.removeprefix("rule_"), *map(datetime.fromisoformat, times))
        for work_folder, rule, *times in rows
        if work_folder == str(folder.resolve())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="shared disk")
    args = parser.parse_args()
    means = {}
    for name, pause in (("the profile's pauses", None), ("1 s pauses", 1)):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            means[name] = run(Path(folder), args.site, args.jobs, pause).mean()
    print(f"{args.jobs} jobs, mean s of each")
    print(pd.DataFrame(means).T.round(1).to_string())


if __name__ == "__main__":
    main()
