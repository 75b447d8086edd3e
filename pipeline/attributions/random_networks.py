"""Networks with random weights: what attributions show without any training.

Adebayo et al. 2018, "Sanity checks for saliency maps", section 3: an explanation that
is the same for a network with random weights does not depend on what was learned.
"""

from typing import Any, cast

import torch
from torch import nn

from pipeline.models.networks import ForgeryDetector, NetworkSpec, create_network
from pipeline.statistics.seeds import named_generator

MAX_IMAGES = 64  # that batch normalisation takes its statistics from
LEVELS = (1.0, 0.5, 0.0)  # of the brightness of these images


def random_network(
    spec: NetworkSpec, number: int, seed: int, images: torch.Tensor
) -> ForgeryDetector:
    """Network `number` of the architecture `spec` with random weights, frozen.

    Its weights depend only on `seed` and `number`. Batch normalisation takes its
    statistics from `images` (N, 3, H, W) in 0..1, N at least 1, and from darker copies
    of them down to black, as training would: otherwise the activations of a deep random
    network vanish, or explode on the way to a baseline. The last layer is scaled so
    that the logits of these images have a standard deviation of 1. The network is on
    the device of `images`.
    """
    state = torch.get_rng_state()
    draw = named_generator(seed, f"random network {number}")
    torch.manual_seed(int(draw.integers(2**31)))
    detector = ForgeryDetector(create_network(spec.timm, spec.input_size), spec)
    torch.set_rng_state(state)
    detector.to(images.device).to(memory_format=torch.channels_last)
    detector.eval().requires_grad_(False)
    for module in detector.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over batches
            module.train()
    known = images[:MAX_IMAGES]
    path = torch.cat([known * level for level in LEVELS])
    with torch.no_grad():
        path = path.contiguous(memory_format=torch.channels_last)
        detector(path)
        detector.eval()
        spread = detector(path).std()
        head = cast("Any", detector.network).get_classifier()
        for parameter in head.parameters():
            parameter.div_(spread)
    return detector
