"""How long all of FaceForensics++ takes on a cluster: a simulation.

    python -m benchmarks.cluster_makespan

The jobs are those that the SLURM profile submits for config/faceforensics.yaml, with
the videos on disk. Seven short jobs that draw figures are left out (draw_scores,
draw_auc, draw_baselines, draw_comparison). Each job waits for its inputs, for a GPU if
it needs one, and for Snakemake, which queries the queue at the intervals of the
profile. Options set the cost of each unit of work. The overhead of SLURM was measured
(benchmarks/slurm_overhead.py). The rates of a GPU are assumed, because no GPU was
available.
"""

import argparse
import heapq
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

REPOSITORY = Path(__file__).parents[1]
VIDEOS_IN_SPLIT = {"train": 720 * 6, "val": 140 * 6, "test": 140 * 6}
MODELS = ("xception", "densenet")
# Seconds between queries of the queue: the longest, and what is added after a query
# that finds no finished job.
MAX_PAUSE, PAUSE_INCREMENT = 180.0, 10.0


@dataclass
class Job:
    """A SLURM job.

    Attributes:
        name: its kind, then what it works on.
        needs: names of the jobs whose outputs it reads.
        gpu: whether it needs a GPU.
        seconds: its work, without the overhead of SLURM.
    """

    name: str
    needs: tuple[str, ...]
    gpu: bool
    seconds: float


def jobs_of_a_run(cost: argparse.Namespace) -> list[Job]:
    """The jobs of a full run, at the costs of the command line."""
    config = yaml.safe_load((REPOSITORY / "config/faceforensics.yaml").read_text())
    profile = REPOSITORY / "profiles/slurm/profile.yaml"
    group_sizes = yaml.safe_load(profile.read_text())["group-components"]
    shards = {
        f"{split}-{number}": VIDEOS_IN_SPLIT[split] / count
        for split, count in config["sources"]["faceforensics"]["shards"].items()
        for number in range(count)
    }
    crops, baselines = config["faces"]["frames"], config["attribution"]["baselines"]
    names = list(shards)
    jobs = []
    for group, seconds, needs in (
        ("checksums", cost.checksum, ""),
        ("sheets", cost.sheet, "extract "),
    ):
        for start in range(0, len(names), group_sizes[group]):
            part = names[start : start + group_sizes[group]]
            before = tuple(f"{needs}{name}" for name in part) if needs else ()
            work = seconds * sum(shards[name] for name in part)
            name = f"{group} {start // group_sizes[group]}"
            jobs.append(Job(name, before, False, work))
    for number, (name, videos) in enumerate(shards.items()):
        before = (f"checksums {number // group_sizes['checksums']}",)
        jobs.append(Job(f"extract {name}", before, True, cost.extract * videos))
        if "test" in name:
            work = cost.original * videos
            jobs.append(Job(f"originals {name}", (f"extract {name}",), False, work))
    fitted = tuple(f"extract {name}" for name in names if "test" not in name)
    jobs.append(Job("references", fitted, False, cost.atlas))
    validated = tuple(f"extract {name}" for name in names if "val" in name)
    jobs.append(Job("real faces", validated, False, cost.atlas))
    originals = tuple(f"originals {name}" for name in names if "test" in name)
    for model in MODELS:
        epochs = config["models"][model]["epochs"]
        videos_of_an_epoch = VIDEOS_IN_SPLIT["train"] + VIDEOS_IN_SPLIT["val"] / 3
        images = epochs * crops * videos_of_an_epoch
        jobs.append(Job(f"train {model}", fitted, True, images / cost.train_rate))
        jobs.append(Job(f"plot {model}", (f"train {model}",), False, 5.0))
        for name, videos in shards.items():
            if "train" in name:
                continue
            before = (f"train {model}", f"extract {name}")
            work = crops * videos / cost.predict_rate
            jobs.append(Job(f"predict {model} {name}", before, True, work))
            for baseline in baselines if "test" in name else ():
                given = {
                    "original": (f"originals {name}",),
                    "nearest_real": ("real faces",),
                    "mean_face": ("references",),
                }.get(baseline, ())
                maps = config["attribution"]["frames"] * videos
                work = maps * cost.gradients / cost.gradient_rate
                job = f"attribute {model} {baseline} {name}"
                jobs.append(Job(job, (*before, *given), True, work))
        predicted = tuple(j.name for j in jobs if j.name.startswith(f"predict {model}"))
        jobs.append(Job(f"metrics {model}", predicted, False, cost.metrics))
        for baseline in baselines:
            maps = f"attribute {model} {baseline} "
            mapped = tuple(j.name for j in jobs if j.name.startswith(maps))
            before = (*mapped, *originals, "references", f"metrics {model}")
            total = f"sum {model} {baseline}"
            jobs.append(Job(total, before, False, cost.atlas))
            for step in ("atlas", "clusters"):
                name = f"{step} {model} {baseline}"
                jobs.append(Job(name, (total,), False, cost.atlas / 2))
        sums = tuple(f"sum {model} {baseline}" for baseline in baselines)
        jobs.append(Job(f"baselines {model}", sums, False, 10.0))
    for baseline in baselines:
        sums = tuple(f"sum {model} {baseline}" for model in MODELS)
        jobs.append(Job(f"compare {baseline}", sums, False, 10.0))
    jobs.append(Job("summary", tuple(f"extract {n}" for n in names), False, 5.0))
    scored = tuple(f"metrics {model}" for model in MODELS)
    jobs += [Job(f"all {what}", scored, False, 30.0) for what in ("metrics", "models")]
    return jobs


def makespan(
    jobs: list[Job], gpus: int, *, start: float, pause: float
) -> tuple[float, float]:
    """Simulate the jobs on a cluster with this number of GPUs.

    `start` is the time of a job in seconds, without its work. `pause` is the first
    interval between queries of the queue, in seconds. Returns the seconds until
    Snakemake knows that the last job is finished, and the seconds that GPUs worked,
    summed over the GPUs.
    """
    waiting = {job.name: set(job.needs) for job in jobs}
    by_name = {job.name: job for job in jobs}
    submitted = [job for job in jobs if not job.needs]
    for job in submitted:
        del waiting[job.name]
    running: list[tuple[float, str]] = []
    queue: list[Job] = submitted
    free, now, busy = gpus, 0.0, 0.0
    interval = next_query = pause
    finished: list[str] = []  # since the last query
    reported = 0  # jobs that Snakemake knows to be finished
    while reported < len(jobs):
        # In the order of submission. A job that waits for a GPU blocks no other job.
        for job in list(queue):
            if job.gpu and not free:
                continue
            free -= job.gpu
            busy += job.gpu * (job.seconds + start)
            heapq.heappush(running, (now + start + job.seconds, job.name))
            queue.remove(job)
        if running and running[0][0] <= next_query:
            now, name = heapq.heappop(running)
            free += by_name[name].gpu
            finished.append(name)
            continue
        now = next_query
        longer = min(interval + PAUSE_INCREMENT, MAX_PAUSE)
        interval = pause if finished else longer
        next_query = now + interval
        reported += len(finished)
        for name in [n for n, needs in waiting.items() if needs & set(finished)]:
            waiting[name] -= set(finished)
            if not waiting[name]:
                del waiting[name]
                queue.append(by_name[name])
        finished = []
    return now, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default, unit in (
        ("--start", 5.0, "s of a SLURM job without its work (measured)"),
        ("--pause", 20.0, "s between queries of the queue (from the profile)"),
        ("--checksum", 0.03, "s a video, 5 MB at 200 MB/s (assumed)"),
        ("--extract", 0.5, "s a video on a GPU and 8 cores (assumed)"),
        ("--sheet", 0.02, "s a video"),
        ("--train_rate", 800.0, "images/s, forward and backward, one GPU (assumed)"),
        ("--predict_rate", 2400.0, "images/s (assumed)"),
        ("--gradient_rate", 1000.0, "gradients/s (assumed)"),
        ("--gradients", 15.0, "gradients of a map (13 in the mean of the demo)"),
        ("--original", 0.3, "s a test video, to decode its original (assumed)"),
        ("--metrics", 60.0, "s a model (assumed)"),
        ("--atlas", 120.0, "s a model and baseline (assumed)"),
    ):
        parser.add_argument(name, type=float, default=default, help=unit)
    cost = parser.parse_args()
    jobs = jobs_of_a_run(cost)
    kinds = Counter(job.name.split()[0] for job in jobs)
    print(json.dumps({"jobs": len(jobs), **kinds}))
    rows = []
    for gpus in (1, 4, 16):
        span, busy = makespan(jobs, gpus, start=cost.start, pause=cost.pause)
        bare, _ = makespan(jobs, gpus, start=0.0, pause=0.01)
        row = {
            "GPUs": gpus,
            "makespan, h": span / 3600,
            "without SLURM, h": bare / 3600,
        }
        rows.append({**row, "ratio": span / bare, "GPUs at work": busy / gpus / span})
    print(pd.DataFrame(rows).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
