"""The `models` section: one entry for each detector."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Reruns, Section


class AugmentConfig(Section):
    """How training crops are changed at random.

    Each key is the share of the crops to which its change is applied.
    """

    reruns: ClassVar[Reruns] = Reruns("train_model")

    flip: float = Field(0.5, ge=0, le=1)
    """Share of crops that are mirrored left to right."""
    shift: float = Field(0.5, ge=0, le=1)
    """Share of crops that are moved by up to 4 whole pixels, without resampling."""
    colour: float = Field(0.5, ge=0, le=1)
    """Share of crops whose brightness, contrast and saturation change slightly."""
    jpeg: float = Field(0.1, ge=0, le=1)
    """Share of crops that are compressed as JPEG with a quality of 40 to 95."""
    rescale: float = Field(0.1, ge=0, le=1)
    """Share of crops that are scaled down to 0.5 to 1 of their side, and up again."""
    blur: float = Field(0.1, ge=0, le=1)
    """Share of crops that are blurred by a Gaussian with a sigma of 0.3 to 1.5 px."""
    noise: float = Field(0.1, ge=0, le=1)
    """Share of crops that get Gaussian noise. Its standard deviation is at most 3 % of
    the range of values."""


class ModelConfig(Section):
    """A forgery detector, and how it is trained."""

    reruns: ClassVar[Reruns] = Reruns("train_model")

    timm: str | None = Field(None, min_length=1, max_length=200)
    """Name of the network in timm, for example `legacy_xception` or `resnet18`. Needed
    unless `weights` is given."""
    weights: Annotated[
        str | None,
        Field(pattern=r"^[^{}<>\x00-\x1f]+$"),
        Reruns("predict_frames", "attribute_frames", "collect_metrics"),
    ] = None
    """A finished detector: a file `weights.safetensors` that this project wrote, in any
    run, on any machine. It is used as it is and is never trained. The file says which
    network it is and which input it needs, so this key stands alone. null: the detector
    is trained, and `timm` is needed."""
    pretrained: bool | str = False
    """Weights at the start of training. `false`: random weights. `true`: timm's
    ImageNet weights; a separate step downloads them on the machine where Snakemake
    runs. A path: a file of weights (.safetensors, or a plain state dict in .pth). It
    may be a detector of another project."""
    input_size: int = Field(80, ge=32, le=1024)
    """Side of the network's input in px. Crops of another size are resized."""
    epochs: int = Field(6, ge=0, le=1000)
    """Largest number of epochs. An epoch uses as many crops as the training set has.
    The weights of the epoch with the best validation AUC are kept. 0 keeps the weights
    of `pretrained` unchanged."""
    patience: int | None = Field(5, ge=1)
    """Number of epochs without a better validation AUC after which training stops. null
    never stops early."""
    batch_size: int = Field(32, ge=2, le=4096)
    """Number of crops in a training step, over all devices. Half of them are real. The
    fakes are of each method in equal shares."""
    accumulate: int = Field(1, ge=1, le=256)
    """Number of parts into which a training step is split. They are computed one after
    another, which saves memory."""
    devices: int = Field(1, ge=1, le=16)
    """Number of GPUs that share a training step. Without GPUs it counts processes."""
    optimizer: Literal["adamw", "adam", "sgd", "lamb"] = "adamw"
    """Optimizer of timm. Weight decay does not apply to norms and biases."""
    learning_rate: float = Field(0.001, gt=0, le=1)
    """Highest learning rate, reached after the warm-up. Then it falls as a cosine."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of all training steps in which the learning rate rises from zero."""
    weight_decay: float = Field(0.01, ge=0, le=1)
    """Weight decay of the optimizer."""
    average: float = Field(0.99, ge=0, lt=1)
    """Decay of the moving average of the weights. The average is validated and
    kept. With 0, the weights themselves are validated and kept."""
    augment: AugmentConfig | None = AugmentConfig()
    """How training crops are changed at random. null changes nothing."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of training. `auto` is bfloat16 if the device supports it, otherwise
    float32."""
    shuffle_labels: bool = False
    """Train on shuffled labels, as a control. The mean test AUC over seeds must then be
    0.5."""

    @property
    def finished(self) -> bool:
        """Whether the detector is given as a file and is not trained in this run."""
        return self.weights is not None

    @property
    def network(self) -> str:
        """The network's name in timm, of a detector that is trained."""
        assert self.timm is not None
        return self.timm

    @model_validator(mode="after")
    def _check_kind(self) -> "ModelConfig":
        if self.weights is None and self.timm is None:
            raise ValueError(
                "give timm, the network to train, or weights, a finished detector"
            )
        unused = sorted(self.model_fields_set - {"weights"})
        if self.weights is not None and unused:
            raise ValueError(
                "weights is a finished detector, which is taken as it is; remove "
                f"{', '.join(unused)}, or remove weights to train a detector"
            )
        return self

    @model_validator(mode="after")
    def _check_values(self) -> "ModelConfig":
        parts = self.accumulate * self.devices
        if self.batch_size % parts or self.batch_size < 2 * parts:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of accumulate x "
                f"devices ({parts}), and at least twice that"
            )
        if self.epochs == 0 and self.pretrained is False:
            raise ValueError("epochs: 0 trains nothing; give weights as `pretrained`")
        return self
