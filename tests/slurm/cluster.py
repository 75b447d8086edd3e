"""A real SLURM cluster on this machine, and runs that submit to it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml

from tests.support.runs import REPOSITORY, Run

SCRIPT = Path(__file__).with_name("cluster.sh")
PROMPT_SNAKEMAKE = Path(__file__).with_name("prompt_snakemake.py")
PORT = 17817  # of the cluster with accounting
PROFILE = REPOSITORY / "profiles/slurm"
SACCT_FIELDS = (
    "JobID State Partition Start End ReqMem TimelimitRaw AllocTRES Comment WorkDir"
).split()
GPU_STEPS = ["train_model", "predict_frames", "attribute_frames", "measure_controls"]
LARGE_STEPS = ["extract_faces", *GPU_STEPS]  # they ask for more than a node here has


class Cluster:
    """A cluster, from `start` to `stop`."""

    def __init__(self, accounting: bool = True) -> None:
        # SLURM's users must be able to enter it, unlike pytest's folders.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        self.environment = {
            **os.environ,
            "ACCOUNTING": "yes" if accounting else "no",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            # Threads that wait must not spin: they would take the cores of other jobs.
            "OMP_WAIT_POLICY": "passive",
        }

    def start(self) -> None:
        self._script("start")

    def _script(self, command: str) -> None:
        log = self.folder / command
        with open(log, "w") as output:  # not a pipe: the daemons would keep it open
            done = subprocess.run(
                ["bash", SCRIPT, command, self.folder],
                env=self.environment,
                stdout=output,
                stderr=output,
                timeout=900,  # includes the installation of the packages
            )
        assert done.returncode == 0, log.read_text()

    def stop(self) -> None:
        self._script("stop")
        shutil.rmtree(self.folder)

    def output(self, *command: str) -> str:
        """What one of SLURM's commands prints."""
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=self.environment
        )
        return done.stdout

    def jobs(self, folder: Path) -> pd.DataFrame:
        """The jobs of the runs in `folder`, as accounting knows them.

        A job that was queued again has a row for each of its attempts.
        """
        printed = self.output(
            *("sacct", "--allocations", "--parsable2", "--duplicates"),
            *("--starttime=now-2hours", f"--format={','.join(SACCT_FIELDS)}"),
        )
        rows = [line.split("|") for line in printed.splitlines()]
        table = pd.DataFrame(rows[1:], columns=rows[0])
        table = table[table["WorkDir"] == str(folder.resolve())]
        for column in ("Start", "End"):
            table[column] = pd.to_datetime(table[column], errors="coerce")
        table["step"] = table["Comment"].str.removeprefix("rule_")
        return table.reset_index(drop=True)

    def queue(self, folder: Path, state: str = "RUNNING") -> dict[str, str]:
        """Rule and wildcards of the jobs in this state, by their IDs."""
        printed = self.output(
            "squeue", "--noheader", f"--states={state}", "--format=%i|%Z|%k"
        )
        rows = [line.split("|", 2) for line in printed.splitlines()]
        return {job: step for job, at, step in rows if at == str(folder.resolve())}

    def wait_for(self, run: "SlurmRun", step: str, other_than: str = "") -> str:
        """Wait until a job of this step runs, which is not `other_than`; its ID."""
        found: list[str] = []

        def runs() -> bool:
            queue = self.queue(run.folder)
            jobs = [job for job, name in queue.items() if step in name]
            found[:] = [job for job in jobs if job != other_than]
            return bool(found)

        run.wait_until(runs)
        return found[0]


class SlurmRun(Run):
    """A run whose steps are SLURM jobs, with the project's profile.

    The only difference from the README's command: the states of jobs are queried more
    often.
    """

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        self.environment = cluster.environment
        self.niceness = 0  # of Snakemake and of its jobs
        self.site = folder / "site.yaml"
        self.process: subprocess.Popen | None = None  # the Snakemake that was started

    def at_site(
        self,
        steps: dict[str, dict] | None = None,
        gpu_partition: str = "gpu",
        threads: int = 2,
        **keys: object,
    ) -> "SlurmRun":
        """Write the site's file: small jobs; `steps` has resources of its own."""
        resources: dict[str, dict] = {
            n: {"mem_mb": "3000 * attempt"} for n in LARGE_STEPS
        }
        for name in GPU_STEPS:
            resources[name]["slurm_partition"] = gpu_partition
        for name, own in (steps or {}).items():
            resources[name] |= own
        site = yaml.safe_load((PROFILE / "site.yaml").read_text())
        site["jobs"] = 50
        site["set-resources"] = resources
        site["set-threads"] = dict.fromkeys(LARGE_STEPS, threads)
        self.site.write_text(yaml.safe_dump(site | keys))
        return self

    def command(self, *arguments: str) -> list[str]:
        plain = super().command(*arguments)
        assert plain[:3] == [sys.executable, "-m", "snakemake"]
        cores = plain.index("--cores")
        return [
            *("nice", "-n", str(self.niceness), sys.executable, str(PROMPT_SNAKEMAKE)),
            *plain[3:cores],
            *plain[cores + 2 :],
            *("--workflow-profile", str(PROFILE), "--profile", str(self.site)),
            *("--slurm-init-seconds-before-status-checks", "1"),
        ]

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake; returns all that it printed."""
        self.start(*arguments)
        printed = self.end()
        assert not check or self.code == 0, printed[-6000:]
        return printed

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake; its output goes to the file `log`."""
        self.log = self.folder / f"printed-{time.monotonic_ns()}"
        with open(self.log, "w") as output:
            self.process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**self.environment, "COLUMNS": "200"},
            )
        return self.process

    def printed(self) -> str:
        return self.log.read_text()

    def wait_until(self, condition: Callable[[], bool], seconds: float = 300) -> None:
        """Wait while the started Snakemake runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.printed()[-6000:]
            assert time.monotonic() < deadline, self.printed()[-6000:]
            time.sleep(0.2)

    def end(self, seconds: float = 900) -> str:
        """Wait for the started Snakemake's end; returns what it printed."""
        try:
            self.code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(self.printed()[-6000:]) from None
        return self.printed()

    def kill(self) -> None:
        """Kill the started Snakemake; its SLURM jobs stay."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pause(self, step: str) -> None:
        """Stop the process of this step, so that it waits and uses no core.

        It goes on when SLURM signals its job: SLURM sends SIGCONT before other signals.
        """
        (process,) = step_processes(self.folder, step)
        os.kill(process, signal.SIGSTOP)


def step_processes(folder: Path, step: str) -> list[int]:
    """The processes that run this step's program in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            here = (process / "cwd").readlink() == folder.resolve()
        except OSError:  # it has ended meanwhile
            continue
        if here and f"pipeline.{step}".encode() in words:
            found.append(int(process.name))
    return found


def reason_to_skip() -> str:
    """Why there can be no cluster here; "" if there can."""
    if os.getuid():
        return "SLURM is not tested: only root can start its daemons"
    if shutil.which("apt-get") is None:
        return "SLURM is not tested: its packages are installed with apt-get"
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            return f"SLURM is not tested: port {PORT} is in use, by another test run?"
    return ""
