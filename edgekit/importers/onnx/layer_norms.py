"""Layer, instance, group and RMS normalization in one layer, and normalization by a p-norm."""

from __future__ import annotations

import math

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.importers.onnx.spatial_pooling import float_input
from edgekit.ir import DType, Value
from edgekit.ops.spec import real_constant

# The smallest normal number: dividing by at least this much turns rows of zeros into zeros.
TINY = float(np.finfo(np.float32).tiny)


def layer_normalization(layer: Layer) -> Value | None:
    """LayerNormalization and RMSNormalization; None where the definition by other operators must do."""
    x = layer.value(0)
    others = any(layer.record.outputs[1:])
    if not _is_real(layer, x) or others or layer.int_attr("stash_type", 1) != 1:
        return None
    axis = layer.axis(layer.int_attr("axis", -1), len(x.shape))
    scale, bias = layer.value(1), layer.value(2) if layer.has(2) else None
    operands = [v for v in (scale, bias) if v is not None]
    if any(not _is_real(layer, v) or not _is_block(x.shape, v.shape) for v in operands):
        return None
    attrs = {
        "axis": axis, "epsilon": layer.float_attr("epsilon", 1e-5), "centred": layer.op == "LayerNormalization"
    }  # fmt: skip
    return layer.emit("layer_norm", [x, scale, bias], attrs)


def _is_real(layer: Layer, value: Value) -> bool:
    """Whether the file means real numbers: float32, or codes of a quantized model."""
    codes = layer.builder.quantized and (value.quant is not None or value.dtype is DType.INT8)
    return value.dtype is DType.FLOAT32 or codes


def _is_block(full: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an operand has the input's own last axes, or one number."""
    return math.prod(shape) == 1 or (len(shape) <= len(full) and full[len(full) - len(shape) :] == shape)


def instance_normalization(layer: Layer) -> Value:
    """Every channel of every sample on its own."""
    x = layer.value(0) if layer.builder.quantized else float_input(layer)
    if len(x.shape) < 3:
        raise layer.bad(f"the input has {len(x.shape)} axes, needs N, C and at least one more")
    rows = layer.reshape(x, (x.shape[0], x.shape[1], math.prod(x.shape[2:])), "rows")
    scale, bias = (_column(layer, index, (x.shape[1], 1)) for index in (1, 2))
    attrs = {"axis": 2, "epsilon": layer.float_attr("epsilon", 1e-5), "centred": True}
    return layer.reshape(layer.emit("layer_norm", [rows, scale, bias], attrs, "normalized"), x.shape, "")


def group_normalization(layer: Layer) -> Value | None:
    """Groups of channels of every sample; None where the definition by other operators must do."""
    x = layer.value(0)
    if not _is_real(layer, x) or layer.int_attr("stash_type", 1) != 1:
        return None
    groups = layer.int_attr("num_groups")
    if len(x.shape) < 3 or groups < 1 or x.shape[1] % groups:
        raise layer.bad(f"{groups} groups do not fit {list(x.shape)}")
    grouped = (x.shape[0], groups, x.shape[1] // groups, math.prod(x.shape[2:]))
    # Before opset 21 scale and bias had one number per group.
    column = (groups, 1, 1) if layer.opset < 21 else (groups, grouped[2], 1)
    scale, bias = (_column(layer, index, column) for index in (1, 2))
    attrs = {"axis": 2, "epsilon": layer.float_attr("epsilon", 1e-5), "centred": True}
    rows = layer.reshape(x, grouped, "rows")
    return layer.reshape(layer.emit("layer_norm", [rows, scale, bias], attrs, "normalized"), x.shape, "")


def _column(layer: Layer, index: int, shape: tuple[int, ...]) -> Value:
    value = layer.value(index)
    if value.elements != math.prod(shape) or not _is_real(layer, value):
        raise layer.bad(f"input {index} is {value.dtype.value}{list(value.shape)}, needs float32[{math.prod(shape)}]")
    if value.is_constant:
        return Value.constant(value.name, real_constant(value).astype(np.float32).reshape(shape))
    return layer.reshape(value, shape, f"column {index}")


def lp_normalization(layer: Layer) -> Value:
    """x divided by the 1- or 2-norm of its axis; zeros stay zeros."""
    x, p = float_input(layer), layer.int_attr("p", 2)
    if p not in (1, 2):
        raise layer.bad(f"attribute 'p' is {p}, must be 1 or 2")
    axis = {"axes": (layer.axis(layer.int_attr("axis", -1), len(x.shape)),), "keep_dims": True}
    terms = layer.emit("abs" if p == 1 else "square", [x], {}, "terms")
    norm = layer.emit("reduce_sum", [terms], axis, "sum")
    norm = layer.emit("sqrt", [norm], {}, "norm") if p == 2 else norm
    norm = layer.emit("max", [norm, layer.number(TINY, x, "tiny")], {}, "positive norm")
    return layer.emit("div", [x, norm], {"activation": "none"})
