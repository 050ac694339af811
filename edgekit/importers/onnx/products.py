"""Conv, Gemm and MatMul."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.affine import affine
from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.window import dilations_of, padding_of, strides_of
from edgekit.ir import Value


def conv(layer: Layer) -> Value:
    """2-D convolution, one group or depthwise."""
    x, weights = layer.value(0), layer.constant(1)
    nhwc = layer.nhwc(x)
    if weights.array.ndim != 4:
        raise layer.bad(f"weights have {weights.array.ndim} axes, need 4")
    outputs, per_group, *kernel_size = weights.array.shape
    channels, groups = x.shape[1], layer.int_attr("group", 1)
    kernel = (kernel_size[0], kernel_size[1])
    if layer.has_attr("kernel_shape") and layer.ints_attr("kernel_shape", None, 2) != kernel:
        raise layer.bad(f"attribute 'kernel_shape' differs from the weights' {list(kernel)}")
    if groups < 1 or channels != per_group * groups or outputs % groups or min(weights.array.shape) < 1:
        raise layer.bad(f"weights {list(weights.array.shape)}, {groups} groups and {channels} channels do not fit")
    stride, dilation = strides_of(layer), dilations_of(layer)
    padding = padding_of(layer, (x.shape[2], x.shape[3]), kernel, stride, dilation)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "activation": "none"}
    bias = layer.weights(_bias(layer, layer.constant(2), outputs)) if layer.has(2) else None
    if groups == 1:
        op, filters = "conv2d", weights.transposed((0, 2, 3, 1))
    elif per_group == 1:
        op, filters = "depthwise_conv2d", _depthwise_filters(weights)
    else:
        raise layer.unsupported(
            f"{groups} groups of {per_group} channels", "use 1 group, or as many groups as input channels (depthwise)"
        )
    return layer.nchw(layer.emit(op, [nhwc, layer.weights(filters), bias], attrs))


def _depthwise_filters(weights: Constant) -> Constant:
    """[C*M,1,KH,KW] -> [KH,KW,C*M]."""
    moved = weights.transposed((1, 2, 3, 0))
    quant = moved.quant
    if quant is not None and quant.axis is not None:
        quant = type(quant)(quant.scale, quant.zero_point, quant.axis - 1)
    return Constant(moved.name, moved.array[0], quant)


def _bias(layer: Layer, bias: Constant, outputs: int) -> Constant:
    """A bias of one number per output, broadcast from one number where it is that."""
    array, quant = bias.array, bias.quant
    if not _is_row(bias, outputs):
        raise layer.bad(f"bias {bias.name!r} has shape {list(array.shape)}, needs [{outputs}]")
    if quant is not None and quant.axis is not None:
        quant = type(quant)(quant.scale, quant.zero_point, 0)
    return Constant(bias.name, np.ascontiguousarray(np.broadcast_to(array.reshape(-1), (outputs,))), quant)


def _is_row(constant: Constant, outputs: int) -> bool:
    """Whether a constant is one number, or one per output along its last axis."""
    array = constant.array
    return array.size in (1, outputs) and (array.ndim == 0 or array.shape[-1] == array.size)


def gemm(layer: Layer) -> Value:
    """alpha * A' * B' + beta * C with constant B and C."""
    x, weights = layer.value(0), layer.constant(1)
    if len(x.shape) != 2 or weights.array.ndim != 2:
        raise layer.bad(f"needs matrices, has {list(x.shape)} and {list(weights.array.shape)}")
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


def matmul(layer: Layer) -> Value:
    """A matrix product with a constant right-hand matrix."""
    x = layer.value(0)
    if not layer.is_constant(1):
        raise layer.unsupported("the right-hand matrix is computed", "only products with constant matrices are built")
    weights = layer.constant(1)
    while weights.array.ndim > 2 and weights.array.shape[0] == 1 and weights.array.ndim <= len(x.shape):
        if weights.quant is not None and weights.quant.axis is not None:
            break
        weights = Constant(weights.name, weights.array[0], weights.quant)
    if weights.array.ndim != 2 or not x.shape:
        raise layer.unsupported(f"the right-hand side has shape {list(weights.array.shape)}", "use one matrix [I, O]")
    if weights.array.shape[0] != x.shape[-1]:
        raise layer.bad(f"matrices {list(x.shape)} and {list(weights.array.shape)} do not go together")
    return _fully_connected(layer, x, weights.transposed((1, 0)), None)


def _fully_connected(layer: Layer, x: Value, weights: Constant, bias: Constant | None) -> Value:
    operands = [x, layer.weights(weights)]
    if bias is not None:
        operands.append(layer.weights(_bias(layer, bias, weights.array.shape[0])))
    return layer.emit("fully_connected", operands, {"activation": "none"})
