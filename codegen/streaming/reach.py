"""Which rows of its inputs a layer reads for rows of its output, and which layers can run by rows at all."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.codegen.rows import is_codes, is_row_wise
from edgekit.ir import Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.window import Window, window_of

_CONVOLUTIONS = ("conv2d", "depthwise_conv2d")
_POOLS = ("avg_pool2d", "max_pool2d")


@dataclass(frozen=True)
class Reach:
    """Rows of the input of each row of output, or columns.

    Attributes:
        height: rows of the input.
        rows: from the first to the last one that a row of output reads.
        stride: from one row of output to the next; before: rows of padding above the input.
    """

    height: int
    rows: int = 1
    stride: int = 1
    before: int = 0

    def first(self, row: int) -> int:
        """The first row of the input that output rows from `row` read."""
        return max(0, row * self.stride - self.before)

    def end(self, rows: int) -> int:
        """The row behind the last one that the first `rows` rows of output read."""
        return min(self.height, (rows - 1) * self.stride - self.before + self.rows)

    def padding(self, first: int, end: int) -> tuple[int, int]:
        """Rows of padding above and below the input rows of output rows `first` to `end`."""
        above = self.before - first * self.stride
        return max(0, above), max(0, (end - 1) * self.stride - self.before + self.rows - self.height)


def window_rows(node: Node) -> Window | None:
    """The window of a layer that slides over rows, or None for any other."""
    if node.op in _CONVOLUTIONS:
        weights = node.input(1).shape
        return window_of(node, (weights[1], weights[2]) if node.op == "conv2d" else (weights[0], weights[1]))
    return window_of(node, fp.as_pair(node.attrs["kernel"])) if node.op in _POOLS else None


def reach_of(node: Node) -> Reach:
    """The rows that a layer reads of each of its computed inputs."""
    return _reach_along(node, 0)


def across_of(node: Node) -> Reach:
    """The columns that a layer reads of each of its computed inputs, as `reach_of` its rows."""
    return _reach_along(node, 1)


def _reach_along(node: Node, axis: int) -> Reach:
    window = window_rows(node)
    if window is None:
        return Reach(node.output.shape[1 + axis])
    size = (window.kernel[axis] - 1) * window.dilation[axis] + 1
    return Reach(window.input[axis], size, window.stride[axis], window.before[axis])


def runs_by_rows(node: Node) -> bool:
    """Whether kernels can make some rows of a layer of one NHWC image of codes: convolutions, pools, sums, tables."""
    if len(node.outputs) != 1 or not _is_image(node.output) or not _is_image(node.inputs[0]):
        return False
    if node.op not in (*_CONVOLUTIONS, *_POOLS):
        return node.op != "fully_connected" and node.op != "layer_norm" and is_row_wise(node)
    window = window_rows(node)
    assert window is not None
    reach = reach_of(node)
    seen = reach.before < reach.rows and (window.output[0] - 1) * reach.stride - reach.before < reach.height
    return seen and all(v is None or v.is_constant for v in node.inputs[1:])


def turns(node: Node) -> bool:
    """Whether a layer puts the channels of one NCHW image of codes last, which a stream can start with, row by row."""
    if node.op != "transpose" or tuple(node.attrs["perm"]) != (0, 2, 3, 1):
        return False
    return _is_image(node.inputs[0]) and _is_image(node.output)


def _is_image(value: Value | None) -> bool:
    if value is None or value.is_constant or len(value.shape) != 4:
        return False
    return value.shape[0] == 1 and value.elements > 0 and is_codes(value)


def streamed_inputs(node: Node) -> list[Value]:
    """The inputs that rows come from."""
    return [value for value in node.inputs if value is not None and not value.is_constant]
