"""col2im: columns of blocks added up into an image of 1 to 3 axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.spatial import Grid, at, narrow_shape, plain_floats, split_padding
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_numbers, single_node_graph


class Col2Im(OpSpec):
    """Input x [N,C*K,L]; attrs image, kernel, stride, dilation (per axis), padding (before of every axis, then after).

    Every element of the image is one accumulator that adds by place in the kernel.
    """

    name = "col2im"
    summary = "columns of blocks added up into an image"
    onnx = ("Col2Im",)
    rewrite = "use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_floats,)

    def infer(self, node: Node) -> list[Shape]:
        x, image, kernel = node.input(0).shape, tuple(node.attrs["image"]), tuple(node.attrs["kernel"])
        before, after = split_padding(node)
        narrow = narrow_shape(node, image, kernel, node.attrs["stride"], node.attrs["dilation"], before, after)
        if len(x) != 3 or x[1] % math.prod(kernel) or x[2] != math.prod(narrow) or min(image) < 1:
            raise bad_shape(node, f"needs columns of {math.prod(kernel)} elements, {math.prod(narrow)} of them")
        return [(x[0], x[1] // math.prod(kernel), *image)]

    def grid(self, node: Node) -> Grid:
        """Wide is the image, narrow the columns."""
        image, kernel = tuple(node.attrs["image"]), tuple(node.attrs["kernel"])
        stride, dilation = tuple(node.attrs["stride"]), tuple(node.attrs["dilation"])
        before, after = split_padding(node)
        narrow = narrow_shape(node, image, kernel, stride, dilation, before, after)
        return Grid(image, narrow, kernel, stride, dilation, before)

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, grid = inputs[0], self.grid(node)
        assert x is not None
        columns = x.reshape(*node.output.shape[:2], *grid.kernel, *grid.narrow)
        acc = np.zeros(node.output.shape, x.dtype)
        with np.errstate(all="ignore"):
            for place, wide, narrow in grid.taps():
                acc[at(..., *wide)] += columns[at(slice(None), slice(None), *place, *narrow)]
        return [acc]

    def cases(self) -> Iterable[Case]:
        geometries: list[tuple[Shape, Shape, Shape, Shape, Shape, Shape]] = [
            ((2, 12, 12), (5, 4), (2, 3), (1, 1), (0, 1, 0, 0), (1, 1)),
            ((1, 8, 6), (4, 3, 3), (2, 1, 2), (2, 1, 2), (0, 0, 0, 0, 0, 0), (1, 1, 1)),
            ((1, 3, 3), (9,), (3,), (3,), (1, 2), (2,)),
        ]
        for index, (shape, image, kernel, stride, padding, dilation) in enumerate(geometries):
            attrs: dict[str, object] = {
                "image": image, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation
            }  # fmt: skip
            y = Value("y", (), DType.FLOAT32)
            graph = single_node_graph(self.name, [Value("x", shape, DType.FLOAT32)], [y], attrs)
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(f"c{index}", graph, ((random_numbers(np.random.default_rng(2700), shape, DType.FLOAT32),),))
