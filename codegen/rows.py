"""Int8 tensors as rows, and which operators work row by row."""

from __future__ import annotations

from edgekit.ir import DType, Node, Value
from edgekit.ops.unary import UNARY_OPS

# Fewer rows than this are not worth a loop.
LEAST_ROWS = 16
_TABLES = (*(spec.name for spec in UNARY_OPS), "requantize")
_PAIRS = ("add", "sub", "mul")


def rows_of(value: Value) -> int:
    """How many rows a value has: all axes but the last one."""
    return value.elements // value.shape[-1]


def is_codes(value: Value) -> bool:
    """Whether a value is int8 codes of one scale."""
    return value.dtype is DType.INT8 and value.quant is not None and value.quant.is_per_tensor


def is_row_wise(node: Node) -> bool:
    """Whether every output row of an int8 node needs just the same row of its computed inputs."""
    computed = [v for v in node.inputs if v is not None and not v.is_constant]
    if not computed or computed[0] is not node.inputs[0]:
        return False
    if not all(is_codes(v) and v.shape for v in (*computed, *node.outputs)):
        return False
    x, y = node.input(0), node.outputs[0]
    if node.op == "fully_connected":
        return y.shape[:-1] == x.shape[:-1]
    if node.op == "layer_norm":
        # Scales and biases of instance and group normalization are other ones for each row.
        alike = all(len(v.shape) < 2 for v in node.inputs[1:] if v is not None)
        return alike and bool(node.attrs["axis"] == len(x.shape) - 1)
    if node.op in _PAIRS:
        return len(computed) == 2 and computed[0].shape == computed[1].shape
    return node.op in _TABLES
