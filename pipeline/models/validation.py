"""How good a detector is between epochs."""

import numpy as np
import torch
from lightning_fabric import Fabric
from sklearn.metrics import roc_auc_score
from torch import nn

from pipeline.models.face_crops import FaceCrops
from pipeline.models.inference import predict
from pipeline.models.networks import ForgeryDetector
from pipeline.models.predictions import per_video
from pipeline.runtime.errors import StepError

REMEDY = "lower this model's learning_rate, or set its precision to float32"


BATCH = 64  # crops; nothing is kept for a backward pass


def validate(
    fabric: Fabric, detector: ForgeryDetector, data: FaceCrops, readers: int = 0
) -> dict[str, float]:
    """Loss over frames, AUC over frames and over videos; the processes share the work.

    Raises StepError where the loss is no number.
    """
    rows = np.arange(fabric.global_rank, len(data), fabric.world_size)
    most = -(-len(data) // fabric.world_size)
    own = torch.zeros(most, device=fabric.device)  # all_gather wants equal lengths
    found = predict(detector, data, BATCH, readers, rows)
    own[: len(rows)] = torch.from_numpy(np.concatenate([np.empty(0), *found]))
    gathered = fabric.all_gather(own).reshape(fabric.world_size, most)
    logits = gathered.T.flatten()[: len(data)].cpu()
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(data.labels)
    )
    if not torch.isfinite(loss):
        raise StepError(f"the validation loss is no number: {REMEDY}")
    frames = data.table.assign(logit=logits.numpy())
    videos = per_video(frames)
    return {
        "val_loss": loss.item(),
        "val_frame_auc": float(roc_auc_score(frames["label"], frames["logit"])),
        "val_video_auc": float(roc_auc_score(videos["label"], videos["logit"])),
    }
