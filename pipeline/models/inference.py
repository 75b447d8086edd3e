"""Predict crops with a detector."""

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
    *,
    rows: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yield the logits (B,) float32 of one batch after another, in the order of `rows`.

    `rows` (N,) are rows of `crops`; by default, all of them. `readers` processes read
    ahead. The detector is set to evaluation mode and stays in it.
    """
    device = next(detector.parameters()).device
    detector.eval()
    rows = np.arange(len(crops)) if rows is None else rows
    for batch, _ in read_batches(crops, plain_batches(rows, batch_size), readers):
        images = to_images(batch.to(device, non_blocking=True))
        with torch.inference_mode():
            logits = detector(images.to(memory_format=torch.channels_last))
        yield logits.float().cpu().numpy()
