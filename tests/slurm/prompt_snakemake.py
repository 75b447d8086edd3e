"""Snakemake, whose SLURM plugin asks for the states of its jobs every second.

The plugin waits ten seconds longer after each query that finds no finished job, and no
option changes that: it would see the end of a job after 12, 33, 64 or 105 s. Everything
else is the command `snakemake`.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def one_second(executor: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = one_second

if __name__ == "__main__":
    sys.exit(main())
