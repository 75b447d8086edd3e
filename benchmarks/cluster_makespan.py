"""How long all of FaceForensics++ takes on a cluster: a simulation.

    python -m benchmarks.cluster_makespan

The jobs are those that the SLURM profile submits for config/faceforensics.yaml, with
the videos on disk; they wait for what they are made from, for a GPU, and for Snakemake
to look at the queue, as often as the profile says. What a unit costs is given by
options: what SLURM adds was measured (benchmarks/slurm_overhead.py); a GPU's rates are
assumptions, since none was at hand.
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
VIDEOS = {"train": 720 * 6, "val": 140 * 6, "test": 140 * 6}
MODELS = ("xception", "densenet")
LONGEST_PAUSE, MORE = 180.0, 10.0  # s between looks at the queue; more after a vain one


@dataclass
class Job:
    """A SLURM job: what it waits for, whether it needs a GPU, and its work in s."""

    name: str
    needs: tuple[str, ...]
    gpu: bool
    seconds: float


def jobs_of_a_run(cost: argparse.Namespace) -> list[Job]:
    """The jobs that a full run submits."""
    config = yaml.safe_load((REPOSITORY / "config/faceforensics.yaml").read_text())
    profile = REPOSITORY / "profiles/slurm/profile.yaml"
    together = yaml.safe_load(profile.read_text())["group-components"]
    shards = {
        f"{split}-{number}": VIDEOS[split] / count
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
        for start in range(0, len(names), together[group]):
            part = names[start : start + together[group]]
            before = tuple(f"{needs}{name}" for name in part) if needs else ()
            work = seconds * sum(shards[name] for name in part)
            jobs.append(Job(f"{group} {start // together[group]}", before, False, work))
    for number, (name, videos) in enumerate(shards.items()):
        before = (f"checksums {number // together['checksums']}",)
        jobs.append(Job(f"extract {name}", before, True, cost.extract * videos))
        if "test" in name and "real_face" in baselines:
            work = cost.original * videos
            jobs.append(Job(f"originals {name}", (f"extract {name}",), False, work))
    fitted = tuple(f"extract {name}" for name in names if "test" not in name)
    jobs.append(Job("references", fitted, False, cost.atlas))
    for model in MODELS:
        epochs = config["models"][model]["epochs"]
        images = epochs * crops * (VIDEOS["train"] + VIDEOS["val"] / 3)
        jobs.append(Job(f"train {model}", fitted, True, images / cost.train_rate))
        jobs.append(Job(f"plot {model}", (f"train {model}",), False, 5.0))
        for name, videos in shards.items():
            if "train" in name:
                continue
            before = (f"train {model}", f"extract {name}")
            work = crops * videos / cost.predict_rate
            jobs.append(Job(f"predict {model} {name}", before, True, work))
            for baseline in baselines if "test" in name else ():
                given = ("references",)
                if baseline == "real_face":
                    given += (f"originals {name}",)
                maps = config["attribution"]["frames"] * videos
                work = maps * cost.gradients / cost.gradient_rate
                job = f"attribute {model} {baseline} {name}"
                jobs.append(Job(job, (*before, *given), True, work))
        predicted = tuple(j.name for j in jobs if j.name.startswith(f"predict {model}"))
        jobs.append(Job(f"metrics {model}", predicted, False, cost.metrics))
        for baseline in baselines:
            maps = f"attribute {model} {baseline} "
            mapped = tuple(j.name for j in jobs if j.name.startswith(maps))
            before, total = (*mapped, f"metrics {model}"), f"sum {model} {baseline}"
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


def makespan(jobs: list[Job], gpus: int, start: float, pause: float) -> tuple:
    """(s until Snakemake has seen the last job end, s that GPUs worked).

    `start` is what a job takes beside its work; `pause` is between looks at the queue.
    """
    waiting = {job.name: set(job.needs) for job in jobs}
    by_name = {job.name: job for job in jobs}
    submitted = [job for job in jobs if not job.needs]
    for job in submitted:
        del waiting[job.name]
    running: list[tuple[float, str]] = []
    queue: list[Job] = submitted
    free, now, busy, interval = gpus, 0.0, 0.0, pause
    look = interval
    ended: list[str] = []
    seen = 0
    while seen < len(jobs):
        for job in list(queue):  # first come, first served; SLURM fills in
            if job.gpu and not free:
                continue
            free -= job.gpu
            busy += job.gpu * (job.seconds + start)
            heapq.heappush(running, (now + start + job.seconds, job.name))
            queue.remove(job)
        if running and running[0][0] <= look:
            now, name = heapq.heappop(running)
            free += by_name[name].gpu
            ended.append(name)
            continue
        now = look
        interval = pause if ended else min(interval + MORE, LONGEST_PAUSE)
        look = now + interval
        seen += len(ended)
        for name in [n for n, needs in waiting.items() if needs & set(ended)]:
            waiting[name] -= set(ended)
            if not waiting[name]:
                del waiting[name]
                queue.append(by_name[name])
        ended = []
    return now, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default, what in (
        ("--start", 5.0, "s of a SLURM job beside its work (measured)"),
        ("--pause", 20.0, "s between looks at the queue (the profile's)"),
        ("--checksum", 0.03, "s a video, 5 MB at 200 MB/s (assumed)"),
        ("--extract", 0.5, "s a video on a GPU and 8 cores (assumed)"),
        ("--sheet", 0.02, "s a video"),
        ("--train_rate", 800.0, "images/s, forward and backward, one GPU (assumed)"),
        ("--predict_rate", 2400.0, "images/s (assumed)"),
        ("--gradient_rate", 1000.0, "gradients/s (assumed)"),
        ("--gradients", 12.0, "a map (measured on the demo's models)"),
        ("--original", 0.3, "s a test video, to decode its original (assumed)"),
        ("--metrics", 60.0, "s a detector"),
        ("--atlas", 120.0, "s a detector and baseline"),
    ):
        parser.add_argument(name, type=float, default=default, help=what)
    cost = parser.parse_args()
    jobs = jobs_of_a_run(cost)
    kinds = Counter(job.name.split()[0] for job in jobs)
    print(json.dumps({"jobs": len(jobs), **kinds}))
    rows = []
    for gpus in (1, 4, 16):
        span, busy = makespan(jobs, gpus, cost.start, cost.pause)
        bare, _ = makespan(jobs, gpus, 0.0, 0.01)
        row = {
            "GPUs": gpus,
            "makespan, h": span / 3600,
            "without SLURM, h": bare / 3600,
        }
        rows.append({**row, "ratio": span / bare, "GPUs at work": busy / gpus / span})
    print(pd.DataFrame(rows).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
