"""The `models` section: one entry a detector."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Reruns, Section


class AugmentConfig(Section):
    """How training crops are changed at random; each key is the share that is."""

    reruns: ClassVar[Reruns] = Reruns("train_model")

    flip: float = Field(0.5, ge=0, le=1)
    """Mirrored, left and right."""
    shift: float = Field(0.5, ge=0, le=1)
    """Moved by up to 4 whole pixels, which re-samples nothing."""
    colour: float = Field(0.5, ge=0, le=1)
    """Brightness, contrast and saturation changed a little."""
    jpeg: float = Field(0.1, ge=0, le=1)
    """Compressed as JPEG with a quality of 40 to 95."""
    rescale: float = Field(0.1, ge=0, le=1)
    """Scaled down to between 0.5 and 1 of its side, and up again."""
    blur: float = Field(0.1, ge=0, le=1)
    """Blurred by a Gaussian with a sigma of 0.3 to 1.5 px."""
    noise: float = Field(0.1, ge=0, le=1)
    """Gaussian noise added, with a deviation of up to 3 % of the range."""


class ModelConfig(Section):
    """A forgery detector and how it is trained."""

    reruns: ClassVar[Reruns] = Reruns("train_model")

    timm: str = Field(min_length=1, max_length=200)
    """The network's name in timm, e.g. `legacy_xception`, `densenet121`, `resnet18`."""
    pretrained: bool | str = False
    """`false`: from scratch. `true`: timm's ImageNet weights, downloaded by a step of
    their own on the machine where Snakemake runs. A path: a file of weights
    (.safetensors, or a plain state dict in .pth), also another project's detector."""
    input_size: int = Field(96, ge=32, le=1024)
    """Side of the network's input in px; crops of another size are resized."""
    epochs: int = Field(6, ge=0, le=1000)
    """Passes over as many crops as there are; the one with the best validation AUC is
    kept. 0 takes the weights of `pretrained` as they are."""
    patience: int | None = Field(5, ge=1)
    """Stop after so many epochs without a better one; null never stops early."""
    batch_size: int = Field(32, ge=2, le=4096)
    """Crops in a training step, over all devices: half of them real, the fakes in equal
    shares of each method."""
    accumulate: int = Field(1, ge=1, le=256)
    """Parts that a step is computed in, one after another, to save memory."""
    devices: int = Field(1, ge=1, le=16)
    """GPUs that a step is spread over (without a GPU: processes)."""
    optimizer: Literal["adamw", "adam", "sgd", "lamb"] = "adamw"
    """timm's optimizer; weight decay spares norms and biases."""
    learning_rate: float = Field(0.001, gt=0, le=1)
    """Highest learning rate: reached after the warm-up, then falling as a cosine."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of all steps in which the learning rate rises from zero."""
    weight_decay: float = Field(0.01, ge=0, le=1)
    """The optimizer's weight decay."""
    average: float = Field(0.99, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is validated and kept;
    0 keeps the weights themselves."""
    augment: AugmentConfig | None = AugmentConfig()
    """How training crops are changed at random; null changes nothing."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of training; `auto` is bfloat16 where the device computes in it."""
    shuffle_labels: bool = False
    """A control: train on shuffled labels. Over seeds, its test AUC must be 0.5."""

    @model_validator(mode="after")
    def _consistent(self) -> "ModelConfig":
        parts = self.accumulate * self.devices
        if self.batch_size % parts or self.batch_size < 2 * parts:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of accumulate x "
                f"devices ({parts}), and at least twice that"
            )
        if self.epochs == 0 and self.pretrained is False:
            raise ValueError("epochs: 0 trains nothing: give weights as `pretrained`")
        return self
