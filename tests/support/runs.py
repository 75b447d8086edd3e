"""Small runs of the workflow, with the same command that a user types."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support import forked

REPOSITORY = Path(__file__).parents[2]

# A few drawn persons, and a network with few weights: a step takes seconds.
SMALL = {
    "sources": {
        "miniature": {
            "shards": {"train": 1, "val": 1, "test": 2},
            "train_pairs": 1,
            "val_pairs": 1,
            "test_pairs": 1,
            "min_frames": 6,
            "max_frames": 8,
            "written": ["c23"],
        },
    },
    "faces": {"frames": 3, "size": 48, "detector": "haar"},
    "models": {
        "small": {
            "timm": "test_resnet",
            "input_size": 48,
            "epochs": 1,
            "batch_size": 8,
        },
        "other": {
            "timm": "test_resnet",
            "input_size": 40,
            "epochs": 1,
            "batch_size": 8,
        },
    },
    "attribution": {"baselines": ["black"], "first_steps": 4, "frames": 1},
    "evaluation": {"bootstrap": 100},
}

REPORT = {"describe_run", "build_report"}  # they show everything, also the settings

# Only the first model, which nearly halves the number of steps.
ONE_MODEL = {**SMALL, "models": {"small": SMALL["models"]["small"]}}


def merged(base: dict, changes: dict) -> dict:
    """A copy of `base` in which nested keys of `changes` replace those of `base`."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        result[key] = merged(old, value) if both else value
    return result


class Run:
    """A folder in which the workflow runs, with its own configuration."""

    def __init__(self, folder: Path, repository: Path = REPOSITORY) -> None:
        self.folder, self.repository = folder, repository
        self.config = folder / "config.yaml"
        self.environment: dict[str, str] = dict(os.environ)

    def configure(self, changes: dict | None = None, base: dict = SMALL) -> "Run":
        """Write `base` with `changes` as the configuration of the run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(merged(base, changes or {})))
        return self

    def command(self, *arguments: str) -> list[str]:
        """The command that runs Snakemake in this folder."""
        return [
            *(sys.executable, "-m", "snakemake", *arguments, "--cores", "2"),
            *("--snakefile", str(self.repository / "Snakefile")),
            *("--configfile", str(self.config)),
        ]

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake. Returns its stdout and stderr; `code` is its exit status."""
        done = forked.run(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, "COLUMNS": "200"},
        )
        assert not check or done.returncode == 0, done.stdout[-6000:]
        self.code = done.returncode
        return done.stdout

    def start(self, *arguments: str) -> forked.Popen:
        """Start Snakemake in a process group of its own; its output is discarded."""
        return forked.Popen(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=self.environment,
        )

    def stale(self, *arguments: str, report: bool = False) -> set[str]:
        """The jobs that a run would do: rule and wildcards, separated by spaces.

        Without those of REPORT, which follow all others, unless `report` is True.
        """
        printed = self.snakemake("all", "--dry-run", *arguments)
        jobs: list[str] = []
        for line in printed.splitlines():
            words = line.split()
            if words[:1] in (["rule"], ["localrule"]) and line.endswith(":"):
                jobs.append(words[1].rstrip(":"))
            elif words[:1] == ["wildcards:"]:
                values = [word.split("=")[1].rstrip(",") for word in words[1:]]
                jobs[-1] = " ".join([jobs[-1], *values])
        assert len(jobs) == len(set(jobs))
        return set(jobs) - {"all", "report"} - (set() if report else REPORT)

    def copy(self, folder: Path) -> "Run":
        """Copy the run, with its results and the records of Snakemake, to `folder`."""
        shutil.copytree(self.folder, folder, symlinks=True)  # keeps file times
        return Run(folder, self.repository)

    def csvs(self) -> dict[str, bytes]:
        """The bytes of every CSV in the results, by its path below them."""
        results = self.folder / "results"
        return {
            str(path.relative_to(results)): path.read_bytes()
            for path in sorted(results.rglob("*.csv"))
        }
