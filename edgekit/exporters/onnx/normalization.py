"""Normalizations in ONNX: by where their scale and bias vary, LayerNormalization or those of channels and groups."""

from __future__ import annotations

import math

import numpy as np

from edgekit.errors import UnsupportedModel
from edgekit.exporters.onnx.writer import OnnxWriter
from edgekit.ir import Array, Node, Value
from edgekit.ops.spec import Shape

_FILLS = (("scale", 1.0), ("bias", 0.0))


def write_normalization(writer: OnnxWriter, node: Node) -> None:
    """A `layer_norm`; raises UnsupportedModel for scales and biases that no operator of ONNX has."""
    if not node.attrs["centred"]:
        raise UnsupportedModel(f"layer {node.name!r}: onnxruntime has no RMS normalization; use LayerNormalization")
    axis, full = node.attrs["axis"], node.input(0).shape
    shapes = [_aligned(value, full) for value in (node.optional_input(1), node.optional_input(2))]
    if all(math.prod(shape[:axis]) == 1 for shape in shapes):
        y = _layers(writer, node)
    elif axis == 2 and len(full) in (3, 4) and all(shape[0] == shape[-1] == 1 for shape in shapes):
        y = _channels(writer, node)
    else:
        raise UnsupportedModel(
            f"layer {node.name!r}: scale and bias of {[list(shape) for shape in shapes]} on {list(full)}, normalized "
            f"from axis {axis}, have no form in ONNX; let them vary within what is normalized, or along the channels"
        )
    writer.quantized(node, node.output, y)


def _aligned(value: Value | None, full: Shape) -> Shape:
    """The shape of an operand with as many axes as what it broadcasts to."""
    shape = () if value is None else tuple(value.shape)
    return (1,) * (len(full) - len(shape)) + shape


def _layers(writer: OnnxWriter, node: Node) -> str:
    """Scale and bias vary within a row at most."""
    axis = node.attrs["axis"]
    names = []
    for index, (part, fill) in enumerate(_FILLS, start=1):
        value = node.optional_input(index)
        if value is None or (value.is_constant and value.quant is None):
            numbers = _numbers(value, fill, node.input(0).shape)
            row = np.broadcast_to(numbers.reshape(numbers.shape[axis:]), node.input(0).shape[axis:])
            names.append(writer.constant(f"{node.name} {part}", row))
        else:
            names.append(writer.own(value))
    attrs = {"axis": axis, "epsilon": node.attrs["epsilon"]}
    return writer.emit("LayerNormalization", node.name, [writer.own(node.input(0)), *names], attrs)


def _channels(writer: OnnxWriter, node: Node) -> str:
    """Rows are channels, [N, C, L], or groups of them, [N, groups, C / groups, L], with numbers for each channel."""
    x, full = writer.own(node.input(0)), node.input(0).shape
    names = []
    for index, (part, fill) in enumerate(_FILLS, start=1):
        value = node.optional_input(index)
        if value is not None and (not value.is_constant or value.quant is not None):
            raise UnsupportedModel(
                f"layer {node.name!r}: the {part} along channels is computed, or codes; make it a float constant"
            )
        numbers = np.broadcast_to(_numbers(value, fill, full), (1, *full[1:-1], 1))
        names.append(writer.constant(f"{node.name} {part}", numbers.reshape(-1)))
    epsilon = {"epsilon": node.attrs["epsilon"]}
    if len(full) == 3:
        return writer.emit("InstanceNormalization", node.name, [x, *names], epsilon)
    rows = _reshaped(writer, f"{node.name} channels", x, (full[0], full[1] * full[2], full[3]))
    y = writer.emit("GroupNormalization", node.name, [rows, *names], epsilon | {"num_groups": full[1]})
    return _reshaped(writer, f"{node.name} groups", y, full)


def _numbers(value: Value | None, fill: float, full: Shape) -> Array:
    """float32, with as many axes as what it broadcasts to."""
    numbers = np.full((), fill, np.float32) if value is None else value.array.astype(np.float32)
    return numbers.reshape(_aligned(value, full))


def _reshaped(writer: OnnxWriter, name: str, x: str, shape: Shape) -> str:
    return writer.emit("Reshape", name, [x, writer.constant(f"{name} shape", np.array(shape, np.int64))])
