"""TFLite operators and their translators. `TRANSLATORS` lists all; there is no other registration."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.importers.tflite import constants, elementwise, indexing, movement, pooling, products, recurrent
from edgekit.importers.tflite.elementwise import arithmetic, binary, comparison, unary
from edgekit.importers.tflite.indexing import arg
from edgekit.importers.tflite.layer import Layer
from edgekit.importers.tflite.pooling import pool, reduction, truth
from edgekit.ir import Value

Translator = Callable[[Layer], "Value | list[Value]"]

_PRODUCTS: dict[str, Translator] = {
    "BATCH_MATMUL": products.batch_matmul,
    "CONV_2D": products.conv_2d,
    "DEPTHWISE_CONV_2D": products.depthwise_conv_2d,
    "FULLY_CONNECTED": products.fully_connected,
    "TRANSPOSE_CONV": products.transpose_conv,
    "SVDF": recurrent.svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.lstm,
}

_ELEMENTWISE: dict[str, Translator] = {
    "ABS": unary("abs"),
    "ADD": arithmetic("add"),
    "ADD_N": elementwise.add_n,
    "BITWISE_XOR": binary("bitwise_xor"),
    "CAST": elementwise.cast,
    "CEIL": unary("ceil", False),
    "COS": unary("cos", False),
    "DEQUANTIZE": elementwise.dequantize,
    "DIV": arithmetic("div"),
    "ELU": unary("elu", True, alpha=1.0),
    "EQUAL": comparison("equal"),
    "EXP": unary("exp"),
    "FLOOR": unary("floor", False),
    "FLOOR_DIV": elementwise.floor_div,
    "FLOOR_MOD": elementwise.floor_mod,
    "GELU": elementwise.gelu,
    "GREATER": comparison("less", swapped=True),
    "GREATER_EQUAL": comparison("less_equal", swapped=True),
    "HARD_SWISH": unary("hard_swish"),
    "LEAKY_RELU": elementwise.leaky_relu,
    "LESS": comparison("less"),
    "LESS_EQUAL": comparison("less_equal"),
    "LOG": unary("log"),
    "LOGICAL_AND": binary("logical_and"),
    "LOGICAL_NOT": unary("logical_not", False),
    "LOGICAL_OR": binary("logical_or"),
    "LOGISTIC": unary("sigmoid"),
    "MAXIMUM": binary("max", tied=True),
    "MINIMUM": binary("min", tied=True),
    "MUL": arithmetic("mul"),
    "NEG": unary("neg"),
    "NOT_EQUAL": comparison("equal", negated=True),
    "POW": binary("pow"),
    "PRELU": elementwise.prelu,
    "QUANTIZE": elementwise.quantize,
    "RELU": unary("relu"),
    "RELU6": unary("relu6"),
    "RELU_0_TO_1": unary("clip", True, low=0.0, high=1.0),
    "RELU_N1_TO_1": unary("clip", True, low=-1.0, high=1.0),
    "RIGHT_SHIFT": binary("shift_right"),
    "ROUND": unary("round", False),
    "RSQRT": unary("rsqrt"),
    "SELECT": elementwise.select,
    "SELECT_V2": elementwise.select,
    "SIGN": unary("sign", False),
    "SIN": unary("sin", False),
    "SQRT": unary("sqrt"),
    "SQUARE": elementwise.square,
    "SQUARED_DIFFERENCE": elementwise.squared_difference,
    "SUB": arithmetic("sub"),
    "TANH": unary("tanh"),
}

_MOVEMENT: dict[str, Translator] = {
    "BATCH_TO_SPACE_ND": movement.batch_to_space,
    "BROADCAST_TO": movement.broadcast_to,
    "CONCATENATION": movement.concatenation,
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "EMBEDDING_LOOKUP": movement.embedding_lookup,
    "EXPAND_DIMS": movement.reshape,
    "FILL": constants.fill,
    "GATHER": movement.gather,
    "MIRROR_PAD": movement.mirror_pad,
    "PACK": movement.pack,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "RESHAPE": movement.reshape,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest,
    "REVERSE_V2": movement.reverse,
    "SLICE": movement.slice_,
    "SPACE_TO_BATCH_ND": movement.space_to_batch,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "TILE": movement.tile,
    "TRANSPOSE": movement.transpose,
    "UNPACK": movement.unpack,
}

_INDEXING: dict[str, Translator] = {
    "ARG_MAX": arg("arg_max"),
    "ARG_MIN": arg("arg_min"),
    "BITCAST": indexing.bitcast,
    "CUMSUM": indexing.cum_sum,
    "GATHER_ND": indexing.gather_nd,
    "ONE_HOT": indexing.one_hot,
    "REVERSE_SEQUENCE": indexing.reverse_sequence,
    "SCATTER_ND": indexing.scatter_nd,
    "TOPK_V2": indexing.top_k,
}

_WINDOWS: dict[str, Translator] = {
    "AVERAGE_POOL_2D": pool("avg_pool2d"),
    "L2_NORMALIZATION": pooling.l2_normalization,
    "LOCAL_RESPONSE_NORMALIZATION": pooling.local_response_normalization,
    "LOG_SOFTMAX": pooling.log_softmax,
    "MAX_POOL_2D": pool("max_pool2d"),
    "MEAN": pooling.mean,
    "REDUCE_ALL": truth("reduce_min"),
    "REDUCE_ANY": truth("reduce_max"),
    "REDUCE_MAX": reduction("reduce_max"),
    "REDUCE_MIN": reduction("reduce_min"),
    "REDUCE_PROD": reduction("reduce_prod"),
    "RESIZE_BILINEAR": pooling.resize_bilinear,
    "SOFTMAX": pooling.softmax,
    "SUM": reduction("reduce_sum"),
}

# Operators that leave no node: their results are known at import.
CONSTANTS: dict[str, Translator] = {
    "BROADCAST_ARGS": constants.broadcast_args,
    "RANGE": constants.range_,
    "RANK": constants.rank,
    "SHAPE": constants.shape,
    "ZEROS_LIKE": constants.zeros_like,
}

TRANSLATORS: dict[str, Translator] = {**_PRODUCTS, **_ELEMENTWISE, **_MOVEMENT, **_INDEXING, **_WINDOWS, **CONSTANTS}

# Operators whose integer definition is the same for uint8 codes and int8 codes 128 below them, or which are mapped.
LEGACY_UINT8 = frozenset(
    {
        "ADD", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE",
        "DIV", "EQUAL", "FULLY_CONNECTED", "GATHER_ND", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "LEAKY_RELU", "LESS",
        "LESS_EQUAL", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "NOT_EQUAL", "PRELU", "QUANTIZE",
        "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_N1_TO_1", "REVERSE_SEQUENCE", "SELECT", "SELECT_V2", "SHAPE",
        "SOFTMAX", "SUB", "SUM", "TANH", "TOPK_V2",
        *_MOVEMENT,
    }
)  # fmt: skip

# Operators that may read variable tensors: their state, which starts from zeros at every inference, or for SVDF is an
# input and an output of the model.
STATEFUL = frozenset({"SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"})

_CONTROL_FLOW = "export without control flow: unroll loops and keep one branch"
_VARIABLES = "freeze variables before exporting, or make the state an input and an output"

_REWRITES: dict[str, str] = {
    "CALL_ONCE": _VARIABLES,
    "VAR_HANDLE": _VARIABLES,
    "READ_VARIABLE": _VARIABLES,
    "ASSIGN_VARIABLE": _VARIABLES,
    "WHILE": _CONTROL_FLOW,
    "IF": _CONTROL_FLOW,
    "CALL": _CONTROL_FLOW,
    "DENSIFY": "export the weights dense",
    "NON_MAX_SUPPRESSION_V4": "end the model before it, and select boxes in the application",
    "NON_MAX_SUPPRESSION_V5": "end the model before it, and select boxes in the application",
    "WHERE": "use SELECT_V2: the number of results must not depend on the data",
    "UNIQUE": "end the model before it: the number of results must not depend on the data",
    "LSTM": "convert with UNIDIRECTIONAL_SEQUENCE_LSTM",
    "RNN": "use UNIDIRECTIONAL_SEQUENCE_LSTM",
}


def rewrite_of(op: str) -> str:
    """What to do about an operator that is not built."""
    if op.startswith("CUSTOM:"):
        return "convert without custom operators, with built-in ones alone"
    return _REWRITES.get(op, "express it by operators of `edgekit ops`")
