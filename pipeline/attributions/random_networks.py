"""Networks with random weights: what attributions show without any training.

Adebayo et al. 2018, "Sanity checks for saliency maps", section 3: an explanation that
is the same for a network with random weights does not depend on what was learned.
"""

import torch
from torch import nn

from pipeline.models.networks import ForgeryDetector, NetworkSpec, create_network
from pipeline.statistics.seeds import named_generator


def random_network(
    spec: NetworkSpec, number: int, seed: int, images: torch.Tensor
) -> ForgeryDetector:
    """Network `number` of the architecture `spec` with random weights, frozen.

    Its weights depend only on `seed` and `number`. Batch normalisation takes its
    statistics from `images` (N, 3, H, W) in 0..1, as training would: otherwise the
    activations of a deep random network vanish. It is on the device of `images`.
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
    with torch.inference_mode():
        detector(images.contiguous(memory_format=torch.channels_last))
    return detector.eval()
