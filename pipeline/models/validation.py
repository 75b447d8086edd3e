"""How good a detector is, measured on the validation split after each epoch."""

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from sklearn.metrics import roc_auc_score
from torch import nn

from pipeline.models.fabric import gather
from pipeline.models.face_crops import FaceCrops
from pipeline.models.inference import predict
from pipeline.models.networks import ForgeryDetector
from pipeline.models.predictions import per_video
from pipeline.runtime.errors import StepError

REMEDY = "lower this model's learning_rate, or set its precision to float32"
BATCH_SIZE = 64  # crops; without a backward pass, memory suffices for large batches


def validate(
    fabric: Fabric, detector: ForgeryDetector, data: FaceCrops, readers: int = 0
) -> dict[str, float]:
    """Compute the validation scores of a detector; the processes share the work.

    Returns `val_loss`, the mean binary cross-entropy over frames, and the AUCs
    `val_frame_auc` and `val_video_auc` (see `mean_auc`). The score of a video is the
    mean of its frames' logits. Raises StepError if the loss is NaN or infinite.
    """
    rows = np.arange(fabric.global_rank, len(data), fabric.world_size)
    length = -(-len(data) // fabric.world_size)
    own = torch.zeros(length, device=fabric.device)  # of equal length in all
    found = predict(detector, data, BATCH_SIZE, readers, rows=rows)
    own[: len(rows)] = torch.from_numpy(np.concatenate([np.empty(0), *found]))
    # The processes took turns: (processes, length) to (length, processes) to (N,).
    logits = gather(fabric, own).T.flatten()[: len(data)].cpu()
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(data.labels)
    )
    if not torch.isfinite(loss):
        raise StepError(f"the validation loss is not a finite number: {REMEDY}")
    frames = data.table.assign(logit=logits.numpy())
    videos = per_video(frames)
    return {
        "val_loss": loss.item(),
        "val_frame_auc": mean_auc(frames),
        "val_video_auc": mean_auc(videos),
    }


def mean_auc(items: pd.DataFrame) -> float:
    """The mean of the AUCs within each data set and compression.

    An AUC over all of them together would reward a detector that recognises the data
    set. `items` has the columns dataset, compression, label and logit. A data set that
    has one label only is left out; NaN if all are.
    """
    aucs = [
        roc_auc_score(part["label"], part["logit"])
        for _, part in items.groupby(["dataset", "compression"])
        if part["label"].nunique() == 2
    ]
    return float(np.mean(aucs)) if aucs else np.nan
