"""What a machine with one GPU does in a second: all figures in one call.

    python -m benchmarks.on_gpu [--models NAME ...] [--sizes PX ...] [--seconds S]

With the defaults it takes about five minutes. The attributions need PyTorch, NumPy and
timm. Training also needs the packages of `pipeline.models.training`, and the face
detector those of `pipeline.faces.detection`. A section whose packages are missing names
them and is left out. Networks have random weights, and pictures are noise: neither
changes the time. Without a GPU, everything runs on the CPU.

Attributions: gradients a second of the engine, with GRADIENTS for each map, beside a
bare loop of forward and backward passes with the same batch; the largest memory in use
beside what the batch was planned for; maps an hour, and the hours for the test set of
FaceForensics++ from one baseline (TEST_VIDEOS videos, TEST_FRAMES frames of each).

Training: images a second with crops that are read from a shard, beside steps on one
batch in memory, and the share of the time that is spent on waiting for crops.

Face detector: frames a second of complete searches, by the number of frames at once.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from pathlib import Path

import numpy as np
import torch

from pipeline.attributions.integrated_gradients import (
    Accuracy,
    gradients_at,
    integrated_gradients,
)
from pipeline.attributions.memory_plan import BatchSize, plan_batch, usable_bytes
from pipeline.models.networks import ForgeryDetector, NetworkSpec, create_network
from pipeline.models.precision import compute_exactly

MODELS, SIZES = ("legacy_xception", "densenet121"), (299, 224)
GRADIENTS = 16  # for each map, as many as those of the demo need or more
TEST_VIDEOS, TEST_FRAMES = 840, 8  # real videos and five methods; frames explained
TRAINING_CROPS, EPOCHS = 512, 1000
FRAME_SIDES = (360, 640)  # px, of frames in which faces are searched
FRAME_BATCHES = (1, 8, 32, 128)


def random_detector(name: str, size: int, device: torch.device) -> ForgeryDetector:
    """A frozen detector with random weights."""
    torch.manual_seed(0)
    spec = NetworkSpec(name, size, (0.5,) * 3, (0.5,) * 3)
    detector = ForgeryDetector(create_network(name, size), spec)
    detector = detector.to(device, memory_format=torch.channels_last)
    return detector.eval().requires_grad_(False)


def wait_for_gpu() -> None:
    """Wait until a GPU, if there is one, has done all that it was told to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def rate(work: Callable[[], int], seconds: float) -> float:
    """How many things a second `work` does. It returns how many it did, and is called
    once before the time starts, and then until `seconds` have passed."""
    work()
    wait_for_gpu()
    done, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds or not done:
        done += work()
        wait_for_gpu()
    return done / (time.perf_counter() - start)


def peak_memory(work: Callable[[], float]) -> tuple[float, float]:
    """What `work` returns, and the GPU's largest memory in use meanwhile in bytes; 0
    without a GPU."""
    if not torch.cuda.is_available():
        return work(), 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    found = work()
    return found, torch.cuda.max_memory_allocated()


def bare_loop(
    detector: ForgeryDetector, batch: int, size: int, seconds: float
) -> float:
    """Gradients a second of forward and backward passes."""
    device = next(detector.parameters()).device
    images = torch.rand(batch, 3, size, size, device=device)
    return rate(lambda: len(gradients_at(detector, images.clone())[0]), seconds)


def attributions(name: str, size: int, seconds: float) -> str:
    """Gradients a second, memory, and maps an hour."""
    compute_exactly()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    detector = random_detector(name, size, device)
    batch = plan_batch(detector, size)
    bare = bare_loop(detector, batch, size, seconds)
    maps = max(2, round(bare * seconds / GRADIENTS))
    # No map is within such tolerances, so that each takes GRADIENTS gradients.
    accuracy = Accuracy(1e-12, 1e-12, max_steps=GRADIENTS)

    def engine() -> float:
        some = (torch.rand(3, size, size, device=device) for _ in range(maps))
        pairs = ((image, torch.zeros_like(image)[None]) for image in some)
        start = time.perf_counter()
        found = integrated_gradients(
            detector, pairs, accuracy, batch_size=BatchSize(batch)
        )
        gradients = sum(one.steps for one in found)
        return gradients / (time.perf_counter() - start)

    own, used = peak_memory(engine)
    hourly = 3600 * own / GRADIENTS
    return (
        f"batch {batch}: engine {own:.1f} gradients/s, bare loop {bare:.1f}, ratio "
        f"{own / bare:.2f}; {hourly:.0f} maps/h, FaceForensics++ "
        f"{TEST_VIDEOS * TEST_FRAMES / hourly:.2f} h; GPU memory {used / 1e9:.1f} GB, "
        f"planned for at most {usable_bytes(device) / 1e9:.1f} GB"
    )


def training(name: str, size: int, seconds: float) -> str:
    """Images a second, and the share of the time that is spent on waiting."""
    from benchmarks.crop_shard import write_shard
    from pipeline.config.models import ModelConfig
    from pipeline.models.fabric import make_fabric
    from pipeline.models.face_crops import FaceCrops, read_batches
    from pipeline.models.learner import prepare
    from pipeline.models.pretrained import build_detector
    from pipeline.models.training import plan_epoch, take_step
    from pipeline.runtime.progress import Stopwatch

    torch.use_deterministic_algorithms(True, warn_only=True)  # as `train_model` does
    config = ModelConfig(timm=name, input_size=size)
    readers = max(0, (os.cpu_count() or 1) - 1)
    shape = (TRAINING_CROPS, size, size, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write_shard(crops, Path(folder) / "crops.h5")
        data = FaceCrops([Path(folder) / "crops.h5"])
        fabric, detector = make_fabric(config), build_detector(name, size)
        learner = prepare(fabric, detector, config, len(data), 0)
        epoch = [part[0] for part in plan_epoch(learner, data)]
        batches = read_batches(data, epoch * EPOCHS, readers)
        numbers = count()

        def step(source: Iterator) -> int:
            losses = take_step(learner, source, next(numbers))
            return len(losses) * config.batch_size // config.accumulate

        ready = next(batches)
        limit = rate(lambda: step(repeat(ready)), seconds)
        step(batches)
        clock = Stopwatch()
        timed = clock.timing(batches)
        own = rate(lambda: step(timed), seconds)
        waited = clock.share()
    return (
        f"batch {config.batch_size}, {readers} readers: {own:.1f} images/s, batch in "
        f"memory {limit:.1f}, ratio {own / limit:.2f}; waiting {waited:.1%} of the time"
    )


def face_detector(at_once: int, seconds: float) -> str:
    """Frames a second of complete searches."""
    from pipeline.faces.detection.centerface import BatchSizes, CenterFaceDetector

    detector = CenterFaceDetector(max(FRAME_SIDES), 0.5)
    detector.batches = BatchSizes(at_once, at_once, padded=False)
    shape = (at_once, *FRAME_SIDES, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = rate(lambda: len(detector.search(frames)), seconds)
    return f"{found:.1f} frames/s of {FRAME_SIDES[1]} x {FRAME_SIDES[0]} px"


def print_line(name: str, measure: Callable[[], str]) -> None:
    """Print a figure, or what is missing for it."""
    try:
        print(f"{name}: {measure()}", flush=True)
    except ModuleNotFoundError as error:
        print(f"{name}: left out, the package {error.name} is missing", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--frame-batches", nargs="+", type=int, default=FRAME_BATCHES)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each figure")
    args = parser.parse_args()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{gpu}, {os.cpu_count()} processors, PyTorch {torch.__version__}")
    # Training comes first: attributions are computed with exact and slower algorithms.
    for title, measure in (("training", training), ("attributions", attributions)):
        for name in args.models:
            for size in args.sizes:
                line = f"{title}, {name}, {size} px"
                print_line(line, partial(measure, name, size, args.seconds))
    for at_once in args.frame_batches:
        line = f"face detector, {at_once} at once"
        print_line(line, partial(face_detector, at_once, args.seconds))


if __name__ == "__main__":
    main()
