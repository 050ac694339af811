"""One translator per TFLite operator: its options and tensors to an IR operator, operands and attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.tflite.file import OperatorRecord, TensorRecord
from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.window import same_padding

_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: "none",
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
    schema.ActivationFunctionType.RELU_N1_TO_1: "relu_n1_to_1",
}


@dataclass(frozen=True)
class Translation:
    """What a translator sees.

    Attributes:
        name: the layer's name, for errors.
        record: the operator with its options.
        operands: IR values, None where an optional input is absent.
        input_tensors, output_tensors: the file's own records (original types).
        extra_nodes: nodes that must run before the operator's own.
    """

    name: str
    record: OperatorRecord
    operands: list[Value | None]
    input_tensors: list[TensorRecord]
    output_tensors: list[TensorRecord]
    extra_nodes: list[Node]

    @property
    def options(self) -> Any:
        if self.record.options is None:
            raise BadModel(f"layer {self.name!r} ({self.record.op}) has no options")
        return self.record.options

    @property
    def legacy_uint8(self) -> bool:
        return self.input_tensors[0].dtype is DType.UINT8

    def need(self, index: int) -> Value:
        """Operand `index`; raises BadModel where it is absent."""
        value = self.operands[index] if index < len(self.operands) else None
        if value is None:
            raise BadModel(f"layer {self.name!r} ({self.record.op}) has no input {index}")
        return value

    def activation(self) -> str:
        code = self.options.FusedActivationFunction()
        if code not in _ACTIVATIONS:
            raise UnsupportedModel(
                f"layer {self.name!r}: fused activation {code}; use none, relu, relu6 or relu_n1_to_1"
            )
        return _ACTIVATIONS[code]

    def constant(self, index: int) -> Array:
        """The data of operand `index`; raises UnsupportedModel where it is computed."""
        value = self.need(index)
        if not value.is_constant:
            raise UnsupportedModel(f"layer {self.name!r} ({self.record.op}): input {index} must be a constant")
        return value.array

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """`value` in another shape, through a node that runs first."""
        result = Value(f"{value.name} reshaped", shape, value.dtype, value.quant)
        self.extra_nodes.append(Node("reshape", result.name, [value], [result], {"shape": shape}))
        return result

    def float_only(self) -> None:
        """Refuse integer tensors, for operators whose TFLite integer definition is not built yet."""
        if self.need(0).dtype is not DType.FLOAT32:
            raise UnsupportedModel(
                f"layer {self.name!r}: {self.record.op} is built in float models only; fuse it into the layer before"
            )


Translated = tuple[str, list[Value | None], dict[str, Any]]
Translator = Callable[[Translation], Translated]


def _padding(t: Translation, kernel: tuple[int, int], dilation: tuple[int, int]) -> dict[str, Any]:
    options, shape = t.options, t.need(0).shape
    stride = (options.StrideH(), options.StrideW())
    if len(shape) != 4 or min(*stride, *dilation, *kernel) < 1 or max(*stride, *dilation, *kernel) > 1 << 16:
        raise BadModel(f"layer {t.name!r}: input {list(shape)}, kernel {kernel}, stride {stride} make no window")
    padding = (0, 0, 0, 0)
    if options.Padding() == schema.Padding.SAME:
        (top, bottom), (left, right) = (same_padding(shape[1 + a], kernel[a], stride[a], dilation[a]) for a in range(2))
        padding = (top, left, bottom, right)
    return {"stride": stride, "padding": padding}


def _weighted(t: Translation) -> list[Value | None]:
    bias = t.operands[2] if len(t.operands) > 2 else None
    if t.need(1).is_constant and len(t.need(1).shape) == 0:
        raise BadModel(f"layer {t.name!r}: weights are a scalar")
    return [t.need(0), t.need(1), bias]


def _rounding(t: Translation) -> dict[str, Any]:
    """How TFLite's reference convolutions round: twice, and legacy uint8 multiplies its scales in float32."""
    return {"double_rounding": True, "single_precision_scale": t.legacy_uint8}


def _dilation(t: Translation) -> tuple[int, int]:
    return t.options.DilationHFactor(), t.options.DilationWFactor()


def _conv_2d(t: Translation) -> Translated:
    weights = t.need(1)
    if len(weights.shape) != 4:
        raise BadModel(f"layer {t.name!r}: weights of shape {list(weights.shape)}, needs 4 axes")
    dilation = _dilation(t)
    attrs = _padding(t, (weights.shape[1], weights.shape[2]), dilation)
    attrs |= {"dilation": dilation, "activation": t.activation()} | _rounding(t)
    return "conv2d", _weighted(t), attrs


def _depthwise_conv_2d(t: Translation) -> Translated:
    shape, dilation = t.need(1).shape, _dilation(t)
    if len(shape) != 4 or shape[0] != 1:
        raise BadModel(f"layer {t.name!r}: depthwise weights of shape {list(shape)}, needs [1,KH,KW,C]")
    attrs = _padding(t, (shape[1], shape[2]), dilation)
    attrs |= {"dilation": dilation, "activation": t.activation()} | _rounding(t)
    x, weights, bias = _weighted(t)
    assert weights is not None
    quant = weights.quant
    if quant is not None and quant.axis is not None:
        if quant.axis != 3:
            raise BadModel(f"layer {t.name!r}: depthwise weights are quantized along axis {quant.axis}, needs 3")
        quant = QuantType(quant.scale, quant.zero_point, 2)
    flat = Value(weights.name, shape[1:], weights.dtype, quant, t.constant(1).reshape(shape[1:]))
    return "depthwise_conv2d", [x, flat, bias], attrs


def _fully_connected(t: Translation) -> Translated:
    if t.options.WeightsFormat() != schema.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise UnsupportedModel(f"layer {t.name!r}: shuffled weights; convert without the shuffled format")
    x, weights = t.need(0), t.need(1)
    attrs = {"activation": t.activation(), "single_precision_scale": True}
    if len(weights.shape) != 2 or not weights.elements or x.elements % weights.shape[1]:
        raise BadModel(f"layer {t.name!r}: input {list(x.shape)} does not go with weights {list(weights.shape)}")
    operands = _weighted(t)
    if x.shape[-1] != weights.shape[1] or (len(x.shape) != 2 and not t.options.KeepNumDims()):
        operands[0] = t.reshaped(x, (x.elements // weights.shape[1], weights.shape[1]))
    return "fully_connected", operands, attrs


def _add(t: Translation) -> Translated:
    return "add", [t.need(0), t.need(1)], {"activation": t.activation()}


def _pool(op: str) -> Translator:
    def translate(t: Translation) -> Translated:
        kernel = (t.options.FilterHeight(), t.options.FilterWidth())
        attrs = _padding(t, kernel, (1, 1)) | {"kernel": kernel, "activation": t.activation()}
        if op == "avg_pool2d" and t.legacy_uint8:
            attrs["half_up"] = True
        return op, [t.need(0)], attrs

    return translate


def _reshape(t: Translation) -> Translated:
    return "reshape", [t.need(0)], {"shape": t.output_tensors[0].shape}


def _softmax(t: Translation) -> Translated:
    beta = float(t.options.Beta())
    if not np.isfinite(beta) or beta <= 0:
        raise BadModel(f"layer {t.name!r}: softmax beta {beta}")
    return "softmax", [t.need(0)], {"beta": beta}


def _log_softmax(t: Translation) -> Translated:
    t.float_only()
    return "log_softmax", [t.need(0)], {}


def _mean(t: Translation) -> Translated:
    rank = len(t.need(0).shape)
    axes = tuple(sorted({int(a) % rank for a in np.atleast_1d(t.constant(1)) if -rank <= a < rank}))
    if t.legacy_uint8:
        raise UnsupportedModel(f"layer {t.name!r}: MEAN of uint8; convert the model to int8")
    return "mean", [t.need(0)], {"axes": axes, "keep_dims": bool(t.options.KeepDims())}


def _quantize(t: Translation) -> Translated:
    return ("quantize" if t.need(0).dtype is DType.FLOAT32 else "requantize"), [t.need(0)], {}


def _dequantize(t: Translation) -> Translated:
    return "dequantize", [t.need(0)], {}


def _concatenation(t: Translation) -> Translated:
    if t.activation() != "none":
        raise UnsupportedModel(f"layer {t.name!r}: CONCATENATION with a fused activation; apply it before")
    axis = t.options.Axis()
    return "concat", list(t.operands), {"axis": axis + len(t.need(0).shape) if axis < 0 else axis}


def _transpose(t: Translation) -> Translated:
    return "transpose", [t.need(0)], {"perm": tuple(int(p) for p in np.atleast_1d(t.constant(1)))}


def _unary(op: str) -> Translator:
    def translate(t: Translation) -> Translated:
        t.float_only()
        return op, [t.need(0)], {}

    return translate


TRANSLATORS: dict[str, Translator] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool("avg_pool2d"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": _fully_connected,
    "LOGISTIC": _unary("sigmoid"),
    "LOG_SOFTMAX": _log_softmax,
    "MAX_POOL_2D": _pool("max_pool2d"),
    "MEAN": _mean,
    "QUANTIZE": _quantize,
    "RELU": _unary("relu"),
    "RELU6": _unary("relu6"),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _reshape,
    "TANH": _unary("tanh"),
    "TRANSPOSE": _transpose,
}

REWRITES: dict[str, str] = {
    "MUL": "fold the constant factor into the layer before",
    "SUB": "fold the constant into the bias of the layer before",
    "PAD": "use the padding of the convolution that follows",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "unroll the LSTM, or use convolutions over time",
    "HARD_SWISH": "use RELU6",
    "WHILE": "unroll the loop before exporting",
    "IF": "export one branch",
    "CALL_ONCE": "freeze variables before exporting",
}
