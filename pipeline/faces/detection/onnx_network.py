"""A network in an ONNX file, as a torch module. It needs a few plain operators only."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

from pipeline.runtime.errors import StepError

Attributes = Mapping[str, Any]
# Computes the output of a node from its inputs and attributes.
Operator = Callable[[list[torch.Tensor], Attributes], torch.Tensor]

# torch's convolution with an activation, for CPUs; None where torch was built without.
FUSED_CONV = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


@dataclass(frozen=True)
class _Node:
    """One step of the network.

    Attributes:
        operator: computes the output.
        inputs: names of values; of weights or of earlier outputs.
        output: name of the value that it computes.
        attributes: settings of the operator.
        last_used: inputs that no later node reads; their memory can be freed.
    """

    operator: Operator
    inputs: tuple[str, ...]
    output: str
    attributes: Attributes
    last_used: tuple[str, ...]


class OnnxNetwork(nn.Module):
    """The network of an ONNX file, with its weights as buffers, for inference.

    The graph must have one input that is not a weight, and operators of OPERATORS.
    Raises StepError for another operator or setting.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        graph = onnx.load(str(file)).graph
        for weight in graph.initializer:
            values = torch.from_numpy(numpy_helper.to_array(weight).copy())
            if values.ndim == 4:  # convolutions on a CPU are faster in this order
                values = values.contiguous(memory_format=torch.channels_last)
            self.register_buffer(_buffer(weight.name), values)
        weights = {weight.name for weight in graph.initializer}
        self.weights = {name: _buffer(name) for name in weights}
        (self.input,) = (i.name for i in graph.input if i.name not in weights)
        self.outputs = [output.name for output in graph.output]
        self.nodes = _nodes(graph, file, weights)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The outputs of the network, in the order of the file."""
        buffers = dict(self.named_buffers())
        values = {name: buffers[buffer] for name, buffer in self.weights.items()}
        values[self.input] = images
        for node in self.nodes:
            inputs = [values[name] for name in node.inputs]
            values[node.output] = node.operator(inputs, node.attributes)
            for name in node.last_used:
                del values[name]
        return [values[name] for name in self.outputs]


def _buffer(name: str) -> str:
    """The name of a weight's buffer: torch allows no dots in it."""
    return "weight_" + name.replace(".", "_")


def _nodes(graph: onnx.GraphProto, file: Path, weights: set[str]) -> list[_Node]:
    """The nodes in their order. A convolution and the Relu of its output are one."""
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(output.name for output in graph.output)
    relu_of = {node.input[0]: node for node in graph.node if node.op_type == "Relu"}
    relu_of = {name: node for name, node in relu_of.items() if uses[name] == 1}
    uses.update(weights)  # kept for the next images
    nodes: list[_Node] = []
    fused = set()
    for node in graph.node:
        if node.output[0] in fused:
            continue
        attributes = {
            item.name: onnx.helper.get_attribute_value(item) for item in node.attribute
        }
        operator, output = _operator(node.op_type, attributes, file), node.output[0]
        uses.subtract(node.input)
        last_used = tuple(name for name in dict.fromkeys(node.input) if not uses[name])
        if node.op_type == "Conv" and output in relu_of:
            operator, output = _conv_relu, relu_of[output].output[0]
            fused.add(output)
        nodes.append(_Node(operator, tuple(node.input), output, attributes, last_used))
    return nodes


def _operator(kind: str, attributes: Attributes, file: Path) -> Operator:
    """The function of an operator. Raises StepError for settings that it ignores."""
    supported = {
        "strides": None,
        "kernel_shape": None,  # follows from the weights
        "epsilon": None,
        "momentum": None,  # for training
        "group": None if kind == "Conv" else 1,
        "pads": None if kind == "Conv" else [0, 0, 0, 0],
        "dilations": [1, 1],
    }
    known = kind in OPERATORS and all(
        name in supported and supported[name] in (None, value)
        for name, value in attributes.items()
    )
    if not known:
        settings = ", ".join(f"{name}={value}" for name, value in attributes.items())
        raise StepError(
            f"{file}: has the operator {kind} ({settings}), which this version of the "
            "project cannot compute. Use the file that the lock file names: "
            "`make install`"
        )
    return OPERATORS[kind]


def _conv(inputs: list[torch.Tensor], attributes: Attributes) -> torch.Tensor:
    images, weight, bias, padding = _conv_inputs(inputs, attributes)
    strides, groups = attributes["strides"], attributes["group"]
    return F.conv2d(images, weight, bias, strides, padding, groups=groups)


def _conv_relu(inputs: list[torch.Tensor], attributes: Attributes) -> torch.Tensor:
    """A convolution and a Relu. On a CPU, one pass over memory saves a third of the
    time."""
    if inputs[0].device.type != "cpu" or FUSED_CONV is None:
        return F.relu_(_conv(inputs, attributes))
    images, weight, bias, padding = _conv_inputs(inputs, attributes)
    strides, groups = attributes["strides"], attributes["group"]
    fused: torch.Tensor = FUSED_CONV(
        images, weight, bias, padding, strides, [1, 1], groups, "relu", [], ""
    )
    return fused


def _conv_inputs(
    inputs: list[torch.Tensor], attributes: Attributes
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, list[int]]:
    """Images, weights, bias, and the padding of both sides (vertical, horizontal)."""
    images, weight, *bias = inputs
    top, left, bottom, right = attributes["pads"]
    if (top, left) != (bottom, right):
        images = F.pad(images, (left, right, top, bottom))
        top = left = 0
    return images, weight, bias[0] if bias else None, [top, left]


def _conv_transpose(inputs: list[torch.Tensor], attributes: Attributes) -> torch.Tensor:
    images, weight, *bias = inputs
    stride = attributes["strides"]
    return F.conv_transpose2d(images, weight, bias[0] if bias else None, stride=stride)


def _batch_norm(inputs: list[torch.Tensor], attributes: Attributes) -> torch.Tensor:
    images, scale, shift, mean, variance = inputs
    return F.batch_norm(images, mean, variance, scale, shift, eps=attributes["epsilon"])


def _relu(inputs: list[torch.Tensor], _: Attributes) -> torch.Tensor:
    return F.relu(inputs[0])


def _add(inputs: list[torch.Tensor], _: Attributes) -> torch.Tensor:
    return inputs[0] + inputs[1]


def _sigmoid(inputs: list[torch.Tensor], _: Attributes) -> torch.Tensor:
    return torch.sigmoid(inputs[0])


OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNormalization": _batch_norm,
    "Relu": _relu,
    "Add": _add,
    "Sigmoid": _sigmoid,
}
