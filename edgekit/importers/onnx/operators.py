"""ONNX operator -> translator, and what to do about operators that have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgekit.importers.onnx import (
    activations,
    einsum,
    elementwise,
    indexing,
    literal_quantization,
    movement,
    normalization,
    padding,
    pooling,
    products,
    quantization,
    recurrent,
    reductions,
    resize,
)
from edgekit.importers.onnx.builder import Layer, Operand

Translator = Callable[[Layer], Operand | Sequence[Operand]]

_UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf",
    "Exp", "Floor", "HardSigmoid", "HardSwish", "IsNaN", "LeakyRelu", "Log", "Mish", "Not", "Reciprocal", "Round",
    "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh",
    "ThresholdedRelu",
)  # fmt: skip
_BINARY = (
    "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or",
    "Xor",
)  # fmt: skip
_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare",
)  # fmt: skip

TRANSLATORS: dict[str, Translator] = {
    **dict.fromkeys(_UNARY, activations.unary),
    **dict.fromkeys(_BINARY, elementwise.binary),
    **dict.fromkeys(_REDUCTIONS, reductions.reduce),
    "Add": elementwise.add,
    "ArgMax": indexing.arg,
    "ArgMin": indexing.arg,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": normalization.batch_normalization,
    "BitCast": indexing.bitcast,
    "BitShift": elementwise.shift,
    "Cast": elementwise.cast,
    "CastLike": elementwise.cast,
    "Clip": activations.clip,
    "Compress": indexing.compress,
    "Concat": movement.concat,
    "Conv": products.conv,
    "CumProd": indexing.cumulate,
    "CumSum": indexing.cumulate,
    "DepthToSpace": movement.depth_to_space,
    "DequantizeLinear": quantization.dequantize_linear,
    "Det": products.det,
    "Div": elementwise.div,
    "Dropout": movement.dropout,
    "Einsum": einsum.einsum,
    "Expand": movement.expand,
    "EyeLike": indexing.eye_like,
    "Flatten": movement.reshape,
    "GRU": recurrent.recurrent,
    "Gather": movement.gather,
    "GatherElements": indexing.gather_elements,
    "GatherND": indexing.gather_nd,
    "Gelu": activations.gelu,
    "Gemm": products.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "Hardmax": activations.hardmax,
    "Identity": movement.identity,
    "IsInf": activations.is_inf,
    "LSTM": recurrent.recurrent,
    "LogSoftmax": activations.softmax,
    "MatMul": products.matmul,
    "MatMulInteger": literal_quantization.matmul_integer,
    "Max": elementwise.variadic,
    "MaxPool": pooling.max_pool,
    "Mean": elementwise.mean,
    "Min": elementwise.variadic,
    "Mod": elementwise.mod,
    "Mul": elementwise.mul,
    "Neg": elementwise.neg,
    "OneHot": indexing.one_hot,
    "PRelu": activations.prelu,
    "Pad": padding.pad,
    "Pow": elementwise.power,
    "QLinearMatMul": literal_quantization.qlinear_matmul,
    "QuantizeLinear": quantization.quantize_linear,
    "RNN": recurrent.recurrent,
    "ReduceMean": pooling.reduce_mean,
    "Relu": activations.relu,
    "Reshape": movement.reshape,
    "Resize": resize.resize,
    "ReverseSequence": indexing.reverse_sequence,
    "Scatter": indexing.scatter_elements,
    "ScatterElements": indexing.scatter_elements,
    "ScatterND": indexing.scatter_nd,
    "Slice": movement.slices,
    "Softmax": activations.softmax,
    "SpaceToDepth": movement.space_to_depth,
    "Split": movement.split,
    "Squeeze": movement.reshape,
    "Sub": elementwise.sub,
    "Sum": elementwise.variadic,
    "TensorScatter": indexing.tensor_scatter,
    "Tile": movement.tile,
    "TopK": indexing.top_k,
    "Transpose": movement.transpose,
    "Trilu": indexing.trilu,
    "Unsqueeze": movement.reshape,
    "Upsample": resize.resize,
    "Where": elementwise.where,
}

_STATIC = "remove control flow by exporting with fixed shapes and constants (onnxsim)"
_QDQ = "quantize in QDQ format (QuantizeLinear / DequantizeLinear pairs)"
_RELU = "use Relu or Clip(0, 6) and retrain"

REWRITES = {
    "ConvInteger": _QDQ,
    "ConvTranspose": "use Resize (nearest) followed by Conv",
    "Elu": _RELU,
    "Gelu": _RELU,
    "HardSigmoid": "use Sigmoid and retrain",
    "HardSwish": _RELU,
    "If": _STATIC,
    "InstanceNormalization": "use BatchNormalization",
    "LayerNormalization": "use BatchNormalization",
    "LRN": "use BatchNormalization",
    "LeakyRelu": _RELU,
    "LogSoftmax": "use Softmax, or return the logits",
    "Loop": _STATIC,
    "NonMaxSuppression": "suppress overlapping boxes outside the model",
    "PRelu": _RELU,
    "QLinearConv": _QDQ,
    "ReduceMax": "use GlobalMaxPool",
    "Scan": _STATIC,
    "Selu": _RELU,
    "Slice": "slice outside the model, or split the layer before into several",
    "Softplus": _RELU,
    "Split": "split the layer before into several",
}

DEFAULT_REWRITE = "replace it by operators that `edgekit ops` lists"
