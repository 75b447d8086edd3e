"""A real SLURM cluster of one node, and runs that submit to it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.support.runs import REPOSITORY, Run

SCRIPT = Path(__file__).with_name("cluster.sh")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
OURS = "# of deepfake-atlas' tests"  # its first line
PROFILE = REPOSITORY / "profiles/slurm"
FIELDS = "JobID State Partition Start End ReqMem AllocTRES Comment".split()
ON_GPU = ["train_model", "predict_frames", "attribute_frames"]
LARGE = ["extract_faces", *ON_GPU]  # steps that ask for more than this node has


class Cluster:
    """A cluster, from `start` to `stop`."""

    def __init__(self, accounting: bool = True) -> None:
        # SLURM's users must reach it, which they cannot in pytest's folders.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        self.environment = {**os.environ, "ACCOUNTING": "yes" if accounting else "no"}

    def start(self) -> None:
        self._script("start")

    def _script(self, command: str) -> None:
        told = self.folder / command
        with open(told, "w") as output:  # no pipe: the daemons would hold it open
            done = subprocess.run(
                ["bash", SCRIPT, command, self.folder],
                env=self.environment,
                stdout=output,
                stderr=output,
                timeout=900,  # with the packages' installation
            )
        assert done.returncode == 0, told.read_text()

    def stop(self) -> None:
        self._script("stop")
        shutil.rmtree(self.folder)

    def jobs(self, folder: Path) -> pd.DataFrame:
        """What accounting knows of the jobs of a run in `folder`."""
        told = _printed(
            *("sacct", "--allocations", "--parsable2", "--duplicates"),
            *("--starttime=now-2hours", f"--format={','.join([*FIELDS, 'WorkDir'])}"),
        )
        rows = [line.split("|") for line in told.splitlines()]
        table = pd.DataFrame(rows[1:], columns=rows[0])
        table = table[table["WorkDir"] == str(folder.resolve())]
        for column in ("Start", "End"):
            table[column] = pd.to_datetime(table[column], errors="coerce")
        table["step"] = table["Comment"].str.removeprefix("rule_")
        return table.reset_index(drop=True)

    def running(self, state: str = "RUNNING") -> dict[str, str]:
        """Rule and wildcards of the jobs that run, by their IDs."""
        told = _printed("squeue", "--noheader", f"--states={state}", "--format=%i %k")
        return dict(line.split(maxsplit=1) for line in told.splitlines())

    def wait_for(self, step: str, process: subprocess.Popen) -> str:
        """Wait until a job of this step runs; its ID."""
        found: list[str] = []

        def runs() -> bool:
            found[:] = [i for i, told in self.running().items() if step in told]
            return bool(found)

        wait_until(runs, process)
        return found[0]


def _printed(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen, seconds: float = 180
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.2)


class SlurmRun(Run):
    """A run whose steps are SLURM jobs, as the README says, but for shorter pauses."""

    site: Path

    def at_site(self, steps: dict | None = None, **more: object) -> "SlurmRun":
        """Write the site's file: small jobs, with `steps` resources put over them."""
        resources: dict[str, dict] = {n: {"mem_mb": "3000 * attempt"} for n in LARGE}
        for name in ON_GPU:
            resources[name]["slurm_partition"] = "gpu"
        for name, keys in (steps or {}).items():
            resources[name] |= keys
        site = yaml.safe_load((PROFILE / "site.yaml").read_text())
        site["jobs"] = 50
        site["set-resources"] = resources
        site["set-threads"] = dict.fromkeys(LARGE, 2)
        self.site = self.folder / "site.yaml"
        self.site.write_text(yaml.safe_dump(site | more))
        return self

    def command(self, *arguments: str) -> list[str]:
        plain = super().command(*arguments)
        at = plain.index("--cores")
        del plain[at : at + 2]
        pauses = ["--slurm-init-seconds-before-status-checks", "1"]
        pauses += ["--seconds-between-status-checks", "1"]
        profiles = ["--workflow-profile", str(PROFILE), "--profile", str(self.site)]
        return [*plain, *profiles, *pauses]

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start a run whose output goes to `printed`."""
        self.printed = self.folder / f"printed-{time.monotonic_ns()}"
        with open(self.printed, "w") as output:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**self.environment, "COLUMNS": "200"},
            )

    def end(self, process: subprocess.Popen, seconds: float = 600) -> str:
        """Wait for a started run; what it printed."""
        try:
            self.code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(self.printed.read_text()[-6000:]) from None
        return self.printed.read_text()


def why_not() -> str:
    """Why there can be no cluster here; "" if there can."""
    if os.getuid():
        return "SLURM is not tested: starting its daemons needs root"
    if shutil.which("apt-get") is None:
        return "SLURM is not tested: its packages are taken with apt-get"
    if CONFIGURATION.exists():
        if not CONFIGURATION.read_text().startswith(OURS):
            return f"SLURM is not tested: this machine has one, {CONFIGURATION}"
        if subprocess.run(["scontrol", "ping"], capture_output=True).returncode == 0:
            return "SLURM is not tested: a cluster of these tests is up already"
    return ""


def started(accounting: bool = True) -> Iterator[Cluster]:
    """A fixture's cluster; none is left behind."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    cluster = Cluster(accounting)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    yield from started()
