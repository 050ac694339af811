"""ONNX operator -> translator, and what to do about operators that have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgekit.importers.onnx import (
    activations,
    elementwise,
    integer_conv,
    layer_norms,
    movement,
    normalization,
    padding,
    pooling,
    products,
    quantization,
    reductions,
    resize,
    sampling,
    spatial,
    spatial_pooling,
)
from edgekit.importers.onnx.builder import Layer, Operand

# A translator that returns None leaves the layer to its definition by other operators.
Translator = Callable[[Layer], Operand | Sequence[Operand] | None]

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
    "AffineGrid": sampling.affine_grid,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": normalization.batch_normalization,
    "BitShift": elementwise.shift,
    "Cast": elementwise.cast,
    "CastLike": elementwise.cast,
    "Clip": activations.clip,
    "Col2Im": sampling.col2im,
    "Concat": movement.concat,
    "Conv": products.conv,
    "ConvInteger": integer_conv.conv_integer,
    "ConvTranspose": spatial.conv_transpose,
    "DeformConv": sampling.deform_conv,
    "DepthToSpace": movement.depth_to_space,
    "DequantizeLinear": quantization.dequantize_linear,
    "Div": elementwise.div,
    "Dropout": movement.dropout,
    "Expand": movement.expand,
    "Flatten": movement.reshape,
    "Gather": movement.gather,
    "Gelu": activations.gelu,
    "Gemm": products.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalLpPool": spatial_pooling.global_lp_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "GridSample": sampling.grid_sample,
    "GroupNormalization": layer_norms.group_normalization,
    "Identity": movement.identity,
    "InstanceNormalization": layer_norms.instance_normalization,
    "IsInf": activations.is_inf,
    "LRN": spatial_pooling.lrn,
    "LayerNormalization": layer_norms.layer_normalization,
    "LogSoftmax": activations.softmax,
    "LpNormalization": layer_norms.lp_normalization,
    "LpPool": spatial_pooling.lp_pool,
    "MatMul": products.matmul,
    "Max": elementwise.variadic,
    "MaxPool": pooling.max_pool,
    "MaxUnpool": spatial_pooling.max_unpool,
    "Mean": elementwise.mean,
    "Min": elementwise.variadic,
    "Mod": elementwise.mod,
    "Mul": elementwise.mul,
    "Neg": elementwise.neg,
    "PRelu": activations.prelu,
    "Pad": padding.pad,
    "Pow": elementwise.power,
    "QLinearConv": integer_conv.qlinear_conv,
    "QuantizeLinear": quantization.quantize_linear,
    "RMSNormalization": layer_norms.layer_normalization,
    "ReduceMean": pooling.reduce_mean,
    "Relu": activations.relu,
    "Reshape": movement.reshape,
    "RoiAlign": sampling.roi_align,
    "Resize": resize.resize,
    "Slice": movement.slices,
    "Softmax": activations.softmax,
    "SpaceToDepth": movement.space_to_depth,
    "Split": movement.split,
    "Squeeze": movement.reshape,
    "Sub": elementwise.sub,
    "Sum": elementwise.variadic,
    "Tile": movement.tile,
    "Transpose": movement.transpose,
    "Unsqueeze": movement.reshape,
    "Upsample": resize.resize,
    "Where": elementwise.where,
}

_UNROLL = "run it outside the model, or retrain with convolutions"
_STATIC = "remove control flow by exporting with fixed shapes and constants (onnxsim)"
_QDQ = "quantize in QDQ format (QuantizeLinear / DequantizeLinear pairs)"
_RELU = "use Relu or Clip(0, 6) and retrain"

REWRITES = {
    "ArgMax": "take the largest output outside the model",
    "DynamicQuantizeLinear": "use static quantization in QDQ format",
    "Elu": _RELU,
    "Gelu": _RELU,
    "GRU": _UNROLL,
    "GatherND": "move indexing out of the model",
    "HardSigmoid": "use Sigmoid and retrain",
    "HardSwish": _RELU,
    "If": _STATIC,
    "LSTM": _UNROLL,
    "LeakyRelu": _RELU,
    "LogSoftmax": "use Softmax, or return the logits",
    "Loop": _STATIC,
    "MatMulInteger": _QDQ,
    "NonMaxSuppression": "suppress overlapping boxes outside the model",
    "PRelu": _RELU,
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
