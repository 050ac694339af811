"""Sliding windows as kernels read them, and the batches that int8 kernels take one by one."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.program import Arg, BufferArg, Fields
from edgekit.ir import Node
from edgekit.ops.window import window_of


def window_fields(node: Node, kernel: tuple[int, int]) -> Fields:
    """The ek_window struct of a node that slides over H and W."""
    w = window_of(node, kernel)
    return {
        "in_h": w.input[0], "in_w": w.input[1], "in_c": node.input(0).shape[3],
        "out_h": w.output[0], "out_w": w.output[1], "out_c": node.output.shape[3],
        "kernel_h": w.kernel[0], "kernel_w": w.kernel[1],
        "stride_h": w.stride[0], "stride_w": w.stride[1],
        "dilation_h": w.dilation[0], "dilation_w": w.dilation[1],
        "pad_top": w.before[0], "pad_left": w.before[1],
    }  # fmt: skip


def batches(node: Node, ctx: LoweringContext) -> Iterator[tuple[Arg, BufferArg]]:
    """(input, output) of each image of a batch: int8 kernels see one image."""
    x, y = node.input(0), node.output
    for index in range(x.shape[0]):
        yield (
            ctx.read(x, index * x.nbytes // x.shape[0]),
            ctx.write(y, None, index * y.nbytes // y.shape[0]),
        )
