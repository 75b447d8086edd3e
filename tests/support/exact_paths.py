"""Exact Integrated Gradients of small ReLU networks.

Along a straight path, the gradient of a ReLU network changes only where the input of a
ReLU changes its sign. The path is cut there, and the constant gradients of the parts
are added (Sotoudeh and Thakur 2019, "Computing linear restrictions of neural networks",
section 4).
"""

import torch
from torch import nn

STEP = 1e-10  # of the path: how far behind a cut the next part is looked at


def exact_integral(
    network: nn.Sequential, image: torch.Tensor, baseline: torch.Tensor
) -> torch.Tensor:
    """Exact attributions (3, H, W) of a network with one output, in float64.

    `image` and `baseline` are (3, H, W) float64. All layers except the ReLUs must be
    linear.
    """
    change = image - baseline
    total, start = torch.zeros_like(image), 0.0
    while start < 1:
        inside = start + STEP
        point = baseline + inside * change
        inputs, slopes = torch.func.jvp(
            lambda at: relu_inputs(network, at), (point,), (change,)
        )
        crossings = -inputs / slopes
        ahead = crossings[torch.isfinite(crossings) & (crossings > 0)]
        end = min(1.0, inside + ahead.min().item()) if len(ahead) else 1.0
        gradient = torch.func.grad(lambda at: network(at[None]).squeeze())(point)
        total += (end - start) * gradient * change
        start = end
    return total


def relu_inputs(network: nn.Sequential, image: torch.Tensor) -> torch.Tensor:
    """The inputs of all ReLUs for an image (3, H, W), (n,)."""
    found, signal = [], image[None]
    for layer in network:
        if isinstance(layer, nn.ReLU):
            found.append(signal.flatten())
        signal = layer(signal)
    return torch.cat(found)
