"""QuantizeLinear and DequantizeLinear: what the codes of a value mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import TensorProto

from edgekit.importers.onnx import literal_quantization
from edgekit.importers.onnx.builder import Constant, Layer, Operand
from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import spec_of

_REWRITE = "quantize activations per tensor and weights per output channel to int8 (uint8 activations are fine)"


def quantize_linear(layer: Layer) -> Operand:
    """Fix the quantization of a computed value, or turn a constant into codes; outside QDQ models plain arithmetic."""
    if not layer.builder.quantized:
        return literal_quantization.quantize(layer)
    operand = layer.operand(0)
    quant, dtype = _parameters(layer, _default_type(layer))
    if isinstance(operand, Constant):
        return Constant(layer.record.outputs[0], _codes(layer, operand.real(), quant, dtype))
    layer.builder.code_types[layer.record.outputs[0]] = DType(dtype.name)
    return settle(layer, operand, _as_int8(layer, quant, dtype))


def dequantize_linear(layer: Layer) -> Operand:
    """Give constant codes their meaning, which a computed value has had since its QuantizeLinear."""
    if not layer.builder.quantized:
        return literal_quantization.dequantize(layer)
    operand = layer.operand(0)
    if isinstance(operand, Constant):
        quant, _ = _parameters(layer, operand.array.dtype)
        if operand.array.dtype not in (np.int8, np.uint8, np.int32):
            raise layer.unsupported(f"codes of type {operand.array.dtype}", _REWRITE)
        if quant.axis is not None and (
            quant.axis >= operand.array.ndim or operand.array.shape[quant.axis] != len(quant.scale)
        ):
            raise layer.bad(f"{len(quant.scale)} scales do not fit axis {quant.axis} of {list(operand.array.shape)}")
        return Constant(layer.record.outputs[0], operand.array, _with_codebook(quant, operand))
    source = layer.record.inputs[0]
    dtype = layer.builder.code_types.get(source, operand.dtype)
    quant = _as_int8(layer, _parameters(layer, dtype.numpy)[0], dtype.numpy)
    if operand.quant is None:
        return settle(layer, operand, quant)
    if operand.quant != quant:
        raise layer.unsupported("its scale or zero point differs from the QuantizeLinear before", _REWRITE)
    return operand


def _with_codebook(quant: QuantType, codes: Constant) -> QuantType:
    """The quantization of weights that are symmetric, with the few integers that they may be; levels of groups of
    channels are those of the channels that have scales.
    """
    book = codes.codebook
    if book is None or any(quant.zero_point) or (book.group and quant.axis != codes.levels_axis):
        return quant
    return replace(quant, codebook=book)


def settle(layer: Layer, value: Value, quant: QuantType) -> Value:
    """`value` with that quantization; a requantize node where it has another one already."""
    if value.quant is None:
        _assign(layer, value, quant)
    if value.quant == quant:
        return value
    output = layer.emit("requantize", [value], {}, "requantize")
    output.quant = quant
    return output


def _assign(layer: Layer, value: Value, quant: QuantType) -> None:
    """Set a quantization, and through operators that keep their input's, that of what they read."""
    value.quant = quant
    node = value.producer
    tied = [] if node is None else spec_of(node.op).tied(node)
    if node is None or value not in tied:
        return
    for index, operand in enumerate(node.inputs):
        if operand is None or operand.is_constant or operand not in tied:
            continue
        if operand.quant is None:
            _assign(layer, operand, quant)
        elif operand.quant != quant:
            nodes = layer.builder.nodes
            fixed = Value(f"{operand.name} requantized", operand.shape, DType.INT8, quant)
            name = layer.builder.unique_name(f"{node.name} requantize")
            nodes.insert(nodes.index(node), Node("requantize", name, [operand], [fixed]))
            node.set_input(index, fixed)


def _default_type(layer: Layer) -> np.dtype[np.generic]:
    target = layer.int_attr("output_dtype", 0) or TensorProto.UINT8
    known = {TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.INT32: "int32"}
    if target not in known:
        raise layer.unsupported(f"codes of ONNX type {target}", _REWRITE)
    return np.dtype(known[target])


def _parameters(layer: Layer, default: np.dtype[np.generic]) -> tuple[QuantType, np.dtype[np.generic]]:
    """Scale, zero point and axis, and the codes' type (the zero point's, where there is one)."""
    scale = layer.constant(1).real()
    zero: Array = layer.constant(2).array if layer.has(2) else np.zeros(scale.shape, default)
    if scale.dtype.kind != "f" or scale.ndim > 1 or zero.size not in (1, scale.size) or not scale.size:
        raise layer.unsupported("scales and zero points must be numbers, or lists of one length", _REWRITE)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise layer.bad("a scale is not a positive number")
    if zero.dtype not in (np.int8, np.uint8, np.int32):
        raise layer.unsupported(f"codes of type {zero.dtype}", _REWRITE)
    scales = tuple(float(np.float32(s)) for s in scale.reshape(-1))
    zeros = tuple(int(z) for z in np.broadcast_to(zero.reshape(-1), (scale.size,)))
    if scale.size == 1:
        return QuantType(scales, zeros), zero.dtype
    operand = layer.operand(0)
    rank = operand.array.ndim if isinstance(operand, Constant) else len(operand.shape)
    return QuantType(scales, zeros, layer.axis(layer.int_attr("axis", 1), rank)), zero.dtype


def _as_int8(layer: Layer, quant: QuantType, dtype: np.dtype[np.generic]) -> QuantType:
    """The quantization of int8 codes: uint8 codes and their zero point move down by 128 together."""
    if not quant.is_per_tensor or dtype not in (np.int8, np.uint8):
        raise layer.unsupported("an activation with per-channel or wide codes", _REWRITE)
    shift = 128 if dtype == np.uint8 else 0
    return QuantType(quant.scale, (quant.zero_point[0] - shift,))


def _codes(layer: Layer, real: Array, quant: QuantType, dtype: np.dtype[np.generic]) -> Array:
    """ONNX's rounding: half to even."""
    if not np.isfinite(real).all():
        raise layer.bad(f"tensor {layer.record.inputs[0]!r} has NaN or infinite numbers")
    shape = [1] * real.ndim
    if quant.axis is not None:
        if real.shape[quant.axis] != len(quant.scale):
            raise layer.bad(f"{len(quant.scale)} scales do not fit axis {quant.axis} of {list(real.shape)}")
        shape[quant.axis] = len(quant.scale)
    scale = np.array(quant.scale, np.float32).reshape(shape)
    zero = np.array(quant.zero_point, np.float64).reshape(shape)
    info = np.iinfo(dtype.name)
    codes: Array = np.clip(np.rint(real.astype(np.float32) / scale) + zero, info.min, info.max).astype(dtype)
    return codes
