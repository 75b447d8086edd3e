"""The `models` section: one entry a detector."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class ModelConfig(Section):
    """A forgery detector and how it is trained."""

    timm: str = Field(min_length=1, max_length=200)
    """The network's name in timm, e.g. `legacy_xception`, `densenet121`, `resnet18`."""
    pretrained: bool | str = False
    """`false`: from scratch. `true`: timm's ImageNet weights (downloaded by timm).
    A path: a file of weights (.safetensors, or a plain state dict in .pth)."""
    input_size: int = Field(96, ge=32, le=1024)
    """Side of the network's input in px; crops of another size are resized."""
    epochs: int = Field(6, ge=1, le=1000)
    """Passes over the training crops; the one with the best validation AUC is kept."""
    batch_size: int = Field(32, ge=2, le=4096)
    """Crops in a training step."""
    learning_rate: float = Field(0.001, gt=0, le=1)
    """Highest learning rate of the one-cycle schedule."""
    weight_decay: float = Field(0.01, ge=0, le=1)
    """AdamW's weight decay."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of training; `auto` is bfloat16 where the device computes in it."""
    shuffle_labels: bool = False
    """A control: train on shuffled labels. Over seeds, its test AUC must be 0.5."""
