"""Small disks, for tests in which a disk is full."""

import os
import subprocess
from pathlib import Path

import pytest

MAY_MOUNT = os.geteuid() == 0
needs_mount = pytest.mark.skipif(
    not MAY_MOUNT, reason="only root can mount a small disk"
)


class SmallDisk:
    """A disk of a given size, which is unmounted after the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def mount(self, options: str) -> None:
        """Mount or remount the disk with these options of tmpfs."""
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)],
            check=True,
        )

    def leave(self, room: int) -> None:
        """Resize the disk so that `room` bytes are free."""
        found = os.statvfs(self.folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        self.mount(f"remount,size={used + room}")

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)
