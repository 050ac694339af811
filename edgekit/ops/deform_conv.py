"""deform_conv: 2-D convolution whose places are moved by computed offsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops.grid_sample import Taps, sampled, taps_at
from edgekit.ops.spatial import narrow_shape, plain_floats, split_padding
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape

F32 = np.float32


class DeformConv(OpSpec):
    """Inputs x [N,C,H,W], w [O,C/G,KH,KW], offsets [N,OG*KH*KW*2,OH,OW] (down, right), optional b [O], optional mask
    [N,OG*KH*KW,OH,OW]; attrs groups, offset_groups, stride, dilation, padding (top, left, bottom, right).

    Elements between points are linear in their neighbours, zeros outside. Every output is one accumulator that adds by
    input channel, then by place in the kernel: element times mask, times weight; the bias comes last.
    """

    name = "deform_conv"
    summary = "2-D deformable convolution of plain numbers"
    onnx = ("DeformConv",)
    rewrite = "use Conv, or --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_floats,)

    def infer(self, node: Node) -> list[Shape]:
        x, w, offsets = (node.input(i).shape for i in range(3))
        groups, parts = node.attrs["groups"], node.attrs["offset_groups"]
        if len(x) != 4 or len(w) != 4 or min(groups, parts, *w) < 1 or x[1] % parts or w[1] * groups != x[1]:
            raise bad_shape(node, "weights and groups do not fit the channels of an [N,C,H,W] input")
        if w[0] % groups:
            raise bad_shape(node, f"{w[0]} outputs are no multiple of {groups} groups")
        before, after = split_padding(node)
        size = narrow_shape(node, x[2:], w[2:], node.attrs["stride"], node.attrs["dilation"], before, after)
        places = parts * w[2] * w[3]
        bias, mask = node.optional_input(3), node.optional_input(4)
        if offsets != (x[0], 2 * places, *size) or (mask is not None and mask.shape != (x[0], places, *size)):
            raise bad_shape(node, f"offsets must be {[x[0], 2 * places, *size]}, a mask one number per two of them")
        if bias is not None and bias.shape != (w[0],):
            raise bad_shape(node, f"the bias must be [{w[0]}]")
        return [(x[0], w[0], *size)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w, offsets, bias, mask = (*inputs, None, None)[:5]
        assert x is not None and w is not None and offsets is not None
        n, channels = x.shape[:2]
        groups, parts = node.attrs["groups"], node.attrs["offset_groups"]
        size = node.output.shape[2:]
        depth, outputs = w.shape[1], w.shape[0] // groups
        acc = np.zeros((n, w.shape[0], *size), F32)
        offsets = offsets.reshape(n, parts, *w.shape[2:], 2, *size)
        mask = None if mask is None else mask.reshape(n, parts, *w.shape[2:], *size)
        with np.errstate(all="ignore"):
            for c in range(channels):
                part, first = c // (channels // parts), c // depth * outputs
                for kh, kw in np.ndindex(*w.shape[2:]):
                    for i in range(n):
                        taps = self._taps(node, offsets[i, part, kh, kw], (kh, kw))
                        element = sampled(x[i, c, None], taps).reshape(size)
                        element = element if mask is None else element * mask[i, part, kh, kw]
                        weights = w[first : first + outputs, c % depth, kh, kw]
                        acc[i, first : first + outputs] += element * weights[:, None, None]
            return [acc if bias is None else acc + bias[:, None, None]]

    def _taps(self, node: Node, offset: Array, place: tuple[int, int]) -> list[Taps]:
        size = node.output.shape[2:]
        points = size[0] * size[1]
        taps = [Taps(np.zeros((points, 1), np.int64), np.ones((points, 1), F32))]
        for axis in range(2):
            steps = np.arange(size[axis]) * node.attrs["stride"][axis] - split_padding(node)[0][axis]
            start = (steps + place[axis] * node.attrs["dilation"][axis]).astype(F32)
            position = (start.reshape((-1, 1) if axis == 0 else (1, -1)) + offset[axis]).astype(F32)
            taps.append(taps_at(position.reshape(-1), node.input(0).shape[2 + axis], "linear", "zeros", True))
        return taps

    def macs(self, node: Node) -> int:
        return node.output.elements * int(np.prod(node.input(1).shape[1:]))

    def cases(self) -> Iterable[Case]:
        for index, (groups, parts, bias, mask) in enumerate(
            [(1, 1, False, False), (2, 1, True, True), (1, 2, True, True)]
        ):
            rng = np.random.default_rng(2600 + index)
            attrs: dict[str, object] = {
                "groups": groups, "offset_groups": parts, "stride": (1, 2), "dilation": (2, 1), "padding": (1, 0, 1, 1)
            }  # fmt: skip
            size = (3, 3)
            shapes: list[Shape | None] = [
                (2, 4, 5, 6), (6, 4 // groups, 3, 2), (2, 12 * parts, *size), (6,) if bias else None,
                (2, 6 * parts, *size) if mask else None,
            ]  # fmt: skip
            values = [None if s is None else Value(f"v{i}", s, DType.FLOAT32) for i, s in enumerate(shapes)]
            node = Node(self.name, self.name, values, [Value("y", (2, 6, *size), DType.FLOAT32)], attrs)
            data = [rng.normal(0, 1.5, s).astype(F32) for s in shapes if s is not None]
            data[2].reshape(-1)[:3] = np.nan, 1e30, -np.inf
            graph = Graph(self.name, [v for v in values if v is not None], node.outputs, [node])
            yield Case(f"c{index}", graph, (tuple(data),))
