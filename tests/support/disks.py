"""Small disks, for what happens when one is full."""

import os
import subprocess
from pathlib import Path

import pytest

needs_mount = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root, to mount a small disk"
)


class SmallDisk:
    """A disk of a given size, mounted for the length of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def mount(self, options: str) -> None:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)],
            check=True,
        )

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)
