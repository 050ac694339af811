"""ONNX operator -> translator, and what to do about operators that have none."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.importers.onnx import activations, arithmetic, movement, padding, pooling, products, quantization
from edgekit.importers.onnx.builder import Layer, Operand

TRANSLATORS: dict[str, Callable[[Layer], Operand]] = {
    "Add": arithmetic.add,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": arithmetic.batch_normalization,
    "Cast": movement.cast,
    "Clip": activations.clip,
    "Concat": movement.concat,
    "Conv": products.conv,
    "DequantizeLinear": quantization.dequantize_linear,
    "Div": arithmetic.div,
    "Dropout": movement.dropout,
    "Flatten": movement.reshape,
    "Gemm": products.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "Identity": movement.identity,
    "MatMul": products.matmul,
    "MaxPool": pooling.max_pool,
    "Mul": arithmetic.mul,
    "Neg": arithmetic.neg,
    "Pad": padding.pad,
    "QuantizeLinear": quantization.quantize_linear,
    "ReduceMean": pooling.reduce_mean,
    "Relu": activations.unary,
    "Reshape": movement.reshape,
    "Resize": movement.resize,
    "Sigmoid": activations.unary,
    "Softmax": activations.softmax,
    "Squeeze": movement.reshape,
    "Sub": arithmetic.sub,
    "Tanh": activations.unary,
    "Transpose": movement.transpose,
    "Unsqueeze": movement.reshape,
    "Upsample": movement.resize,
}

_UNROLL = "run it outside the model, or retrain with convolutions"
_STATIC = "remove control flow by exporting with fixed shapes and constants (onnxsim)"
_QDQ = "quantize in QDQ format (QuantizeLinear / DequantizeLinear pairs)"
_RELU = "use Relu or Clip(0, 6) and retrain"

REWRITES = {
    "ArgMax": "take the largest output outside the model",
    "ConvInteger": _QDQ,
    "ConvTranspose": "use Resize (nearest) followed by Conv",
    "DynamicQuantizeLinear": "use static quantization in QDQ format",
    "Elu": _RELU,
    "Gelu": _RELU,
    "GRU": _UNROLL,
    "GatherND": "move indexing out of the model",
    "HardSigmoid": "use Sigmoid and retrain",
    "HardSwish": _RELU,
    "If": _STATIC,
    "InstanceNormalization": "use BatchNormalization",
    "LayerNormalization": "use BatchNormalization",
    "LRN": "use BatchNormalization",
    "LSTM": _UNROLL,
    "LeakyRelu": _RELU,
    "LogSoftmax": "use Softmax, or return the logits",
    "Loop": _STATIC,
    "MatMulInteger": _QDQ,
    "NonMaxSuppression": "suppress overlapping boxes outside the model",
    "PRelu": _RELU,
    "QLinearConv": _QDQ,
    "QLinearMatMul": _QDQ,
    "RNN": _UNROLL,
    "ReduceMax": "use GlobalMaxPool",
    "Scan": _STATIC,
    "Selu": _RELU,
    "Slice": "slice outside the model, or split the layer before into several",
    "Softplus": _RELU,
    "Split": "split the layer before into several",
}

DEFAULT_REWRITE = "replace it by operators that `edgekit ops` lists"
