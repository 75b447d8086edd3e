"""Describe the run, so that a report can be made of it (rule `describe_run`)."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.files.atomic import replacing
from pipeline.report.run_description import RunDescription
from pipeline.runtime.command_line import run

PACKAGES = (
    *("snakemake", "torch", "torchvision", "timm", "captum", "lightning-fabric"),
    *("numpy", "scipy", "pandas", "scikit-learn", "matplotlib"),
    *("h5py", "av", "decord", "opencv-contrib-python-headless", "pillow"),
)


@dataclass(frozen=True)
class Arguments:
    run: RunDescription
    description: Path


def main(args: Arguments) -> None:
    found = {name: installed(name) for name in PACKAGES}
    versions = {"python": platform.python_version(), **found}
    described = args.run.model_copy(update={"versions": versions})
    with replacing(args.description) as part:
        part.write_text(described.model_dump_json(indent=1) + "\n", encoding="utf-8")


def installed(package: str) -> str:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    run(main, Arguments)
