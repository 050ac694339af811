"""What the products of a layer are, for the choice of tiles."""

from __future__ import annotations

from edgekit.codegen.lowering.coded import codebook_of
from edgekit.codegen.lowering.levels import is_coded
from edgekit.codegen.lowering.tiling import Products
from edgekit.ir import Node
from edgekit.ops.window import window_of


def is_pointwise(node: Node) -> bool:
    """Whether the windows of a convolution are the pixels of its input, one by one."""
    window = window_of(node, (node.input(1).shape[1], node.input(1).shape[2]))
    return window.kernel == window.stride == (1, 1) and window.input == window.output and window.before == (0, 0)


def reads_single_pixels(node: Node) -> bool:
    """Whether the windows of a convolution are single pixels of its input, all inside it."""
    window = window_of(node, (node.input(1).shape[1], node.input(1).shape[2]))
    inside = all(
        (count - 1) * stride < size
        for count, stride, size in zip(window.output, window.stride, window.input, strict=True)
    )
    return inside and window.kernel == (1, 1) and window.before == (0, 0)


def products_of(node: Node, rows: int, columns: int) -> Products:
    """The products of so many rows and columns of a convolution of one group."""
    outputs, kernel_h, kernel_w, channels = node.input(1).shape
    pixels, whole = rows * columns, is_pointwise(node) and channels % 4 == 0
    coded = codebook_of(node) is not None
    return Products(pixels, outputs, kernel_h, kernel_w * channels, channels, whole, coded=coded)


def products_of_rows(node: Node, rows: int) -> Products:
    """The products of a fully-connected layer over so many rows."""
    outputs, inputs = node.input(1).shape
    coded, levels = codebook_of(node) is not None, is_coded(node.input(0))
    return Products(rows, outputs, 1, inputs, inputs, inputs % 4 == 0, coded=coded, levels=levels)
