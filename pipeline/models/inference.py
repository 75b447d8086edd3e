"""Run a detector over crops."""

from collections.abc import Iterator

import numpy as np
import torch

from pipeline.models.face_crops import FaceCrops, plain_batches, read_batches
from pipeline.models.networks import ForgeryDetector, to_images


def predict(
    detector: ForgeryDetector,
    crops: FaceCrops,
    batch_size: int,
    readers: int = 0,
    rows: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Logits of the crops `rows` (all if None) in order, (B,) float32 at a time."""
    device = next(detector.parameters()).device
    detector.eval()
    wanted = plain_batches(np.arange(len(crops)) if rows is None else rows, batch_size)
    for batch, _ in read_batches(crops, wanted, readers):
        images = to_images(batch.to(device, non_blocking=True))
        with torch.inference_mode():
            logits = detector(images.to(memory_format=torch.channels_last))
        yield logits.float().cpu().numpy()
