"""Conv, Gemm and MatMul."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.importers.onnx.affine import affine
from edgekit.importers.onnx.builder import NCHW_TO_NHWC, Constant, Layer
from edgekit.importers.onnx.spatial import general_conv
from edgekit.importers.onnx.window import dilations_of, padding_of, strides_of
from edgekit.ir import DType, Value


def conv(layer: Layer) -> Value:
    """Convolution in groups; 1-D and 2-D ones with constant weights work in NHWC, depthwise ones apart."""
    x = layer.value(0)
    if not _has_nhwc_form(layer, x):
        return general_conv(layer, x, layer.value(1), layer.value(2) if layer.has(2) else None)
    weights = layer.constant(1)
    if weights.array.ndim != len(x.shape):
        raise layer.bad(f"weights have {weights.array.ndim} axes, the input has {len(x.shape)}")
    if weights.array.ndim == 3:
        return _line(layer, x, weights)
    return layer.nchw(_conv2d(layer, layer.nhwc(x), weights))


def _has_nhwc_form(layer: Layer, x: Value) -> bool:
    constant = layer.is_constant(1) and (layer.is_constant(2) or not layer.has(2))
    if layer.builder.quantized:
        return len(x.shape) in (3, 4)
    return constant and len(x.shape) in (3, 4) and x.dtype is DType.FLOAT32


def _line(layer: Layer, x: Value, weights: Constant) -> Value:
    """A 1-D convolution as one over an image of height 1."""
    n, channels, length = x.shape
    image = layer.transpose(layer.reshape(x, (n, channels, 1, length), "image"), NCHW_TO_NHWC, "to NHWC")
    filters = Constant(weights.name, weights.array[:, :, None, :], weights.quant)
    y = layer.nchw(_conv2d(layer, image, filters))
    return layer.reshape(y, (y.shape[0], y.shape[1], y.shape[3]), "line")


def _conv2d(layer: Layer, nhwc: Value, weights: Constant) -> Value:
    outputs, per_group, *kernel_size = weights.array.shape
    channels, groups = nhwc.shape[3], layer.int_attr("group", 1)
    kernel = (kernel_size[0], kernel_size[1])
    own = kernel if len(layer.record.inputs) and layer.rank(0) == 4 else kernel[1:]
    if layer.has_attr("kernel_shape") and layer.ints_attr("kernel_shape", None, len(own)) != own:
        raise layer.bad(f"attribute 'kernel_shape' differs from the weights' {list(own)}")
    if groups < 1 or channels != per_group * groups or outputs % groups or min(weights.array.shape) < 1:
        raise layer.bad(f"weights {list(weights.array.shape)}, {groups} groups and {channels} channels do not fit")
    stride, dilation = strides_of(layer), dilations_of(layer)
    padding = padding_of(layer, (nhwc.shape[1], nhwc.shape[2]), kernel, stride, dilation)
    attrs: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "activation": "none"}
    bias = layer.weights(_bias(layer, layer.constant(2), outputs)) if layer.has(2) else None
    if groups > 1 and per_group == 1:
        return layer.emit("depthwise_conv2d", [nhwc, layer.weights(_depthwise_filters(weights)), bias], attrs)
    if groups > 1:
        attrs["groups"] = groups
    return layer.emit("conv2d", [nhwc, layer.weights(weights.transposed((0, 2, 3, 1))), bias], attrs)


def _depthwise_filters(weights: Constant) -> Constant:
    """[C*M,1,KH,KW] -> [KH,KW,C*M]."""
    moved = weights.transposed((1, 2, 3, 0))
    quant = moved.quant
    if quant is not None and quant.axis is not None:
        quant = replace(quant, axis=quant.axis - 1)
    return Constant(moved.name, moved.array[0], quant)


def _bias(layer: Layer, bias: Constant, outputs: int) -> Constant:
    """A bias of one number per output, broadcast from one number where it is that."""
    array, quant = bias.array, bias.quant
    if not _is_row(bias, outputs):
        raise layer.bad(f"bias {bias.name!r} has shape {list(array.shape)}, needs [{outputs}]")
    if quant is not None and quant.axis is not None:
        quant = replace(quant, axis=0)
    return Constant(bias.name, np.ascontiguousarray(np.broadcast_to(array.reshape(-1), (outputs,))), quant)


def _is_row(constant: Constant, outputs: int) -> bool:
    """Whether a constant is one number, or one per output along its last axis."""
    array = constant.array
    return array.size in (1, outputs) and (array.ndim == 0 or array.shape[-1] == array.size)


def gemm(layer: Layer) -> Value:
    """alpha * A' * B' + beta * C; constant B, and C where it is one, go into one layer."""
    x = layer.value(0)
    right = layer.constant(1).array.shape if layer.is_constant(1) else layer.value(1).shape
    if len(x.shape) != 2 or len(right) != 2:
        raise layer.bad(f"needs matrices, has {list(x.shape)} and {list(right)}")
    folds = layer.is_constant(1) and not layer.is_constant(0) and (not layer.has(2) or layer.is_constant(2))
    if not folds or (x.dtype is not DType.FLOAT32 and not layer.builder.quantized):
        return _computed_gemm(layer)
    weights = layer.constant(1)
    if layer.int_attr("transA", 0):
        x = layer.transpose(x, (1, 0), "transpose A")
    if not layer.int_attr("transB", 0):
        weights = weights.transposed((1, 0))
    outputs, inputs = weights.array.shape
    if inputs != x.shape[1]:
        raise layer.bad(f"matrices {list(x.shape)} and {[inputs, outputs]} do not go together")
    weights = weights.scaled(layer.float_attr("alpha", 1.0))
    addend = layer.constant(2).scaled(layer.float_attr("beta", 1.0)) if layer.has(2) else None
    if addend is not None and _is_row(addend, outputs):
        return _fully_connected(layer, x, weights, addend)
    y = _fully_connected(layer, x, weights, None)
    return y if addend is None else affine(layer, y, np.ones((), np.float32), addend.real())


def _computed_gemm(layer: Layer) -> Value:
    transposed = {f"transpose_{k}": bool(layer.int_attr(f"trans{k.upper()}", 0)) for k in "ab"}
    y = layer.emit("matmul", [layer.value(0), layer.value(1)], transposed, "product")
    y = _scaled(layer, y, layer.float_attr("alpha", 1.0), "alpha")
    if not layer.has(2):
        return y
    addend = _scaled(layer, layer.value(2), layer.float_attr("beta", 1.0), "beta")
    return layer.emit("add", [y, addend], {"activation": "none"})


def _scaled(layer: Layer, x: Value, factor: float, part: str) -> Value:
    return x if factor == 1.0 else layer.emit("mul", [x, layer.number(factor, x, part)], {"activation": "none"}, part)


def matmul(layer: Layer) -> Value:
    """A matrix product; with a constant right-hand matrix a fully connected layer."""
    if layer.is_constant(0) or not layer.is_constant(1):
        return _computed_matmul(layer)
    x, weights = layer.value(0), layer.constant(1)
    while weights.array.ndim > 2 and weights.array.shape[0] == 1 and weights.array.ndim <= len(x.shape):
        if weights.quant is not None and weights.quant.axis is not None:
            break
        weights = Constant(weights.name, weights.array[0], weights.quant)
    if weights.array.ndim != 2 or not x.shape or (x.dtype is not DType.FLOAT32 and not layer.builder.quantized):
        return _computed_matmul(layer)
    if weights.array.shape[0] != x.shape[-1]:
        raise layer.bad(f"matrices {list(x.shape)} and {list(weights.array.shape)} do not go together")
    return _fully_connected(layer, x, weights.transposed((1, 0)), None)


def _computed_matmul(layer: Layer) -> Value:
    return matrix_product(layer, layer.value(0), layer.value(1))


def matrix_product(layer: Layer, a: Value, b: Value) -> Value:
    """a times b; vectors become matrices of one row or column, which the result does not have."""
    if not a.shape or not b.shape:
        raise layer.bad("needs at least vectors")
    row, column = len(a.shape) == 1, len(b.shape) == 1
    a = layer.reshape(a, (1, *a.shape), "row") if row else a
    b = layer.reshape(b, (*b.shape, 1), "column") if column else b
    y = layer.emit("matmul", [a, b], {"transpose_a": False, "transpose_b": False})
    shape = tuple(
        d for i, d in enumerate(y.shape) if not ((row and i == len(y.shape) - 2) or (column and i == len(y.shape) - 1))
    )
    return y if shape == y.shape else layer.reshape(y, shape)


def det(layer: Layer) -> Value:
    """Determinants of square matrices."""
    return layer.emit("det", [layer.value(0)], {})


def _fully_connected(layer: Layer, x: Value, weights: Constant, bias: Constant | None) -> Value:
    operands = [x, layer.weights(weights)]
    if bias is not None:
        operands.append(layer.weights(_bias(layer, bias, weights.array.shape[0])))
    return layer.emit("fully_connected", operands, {"activation": "none"})
