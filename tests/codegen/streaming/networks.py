"""Random int8 networks of convolutions, pools, sums and tables, cut at random into streams."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from edgekit.codegen.streaming.reach import streamed_inputs
from edgekit.codegen.streaming.stream import Schedule, Stream
from edgekit.codegen.streaming.stripes import can_be_cut
from edgekit.ir import Codebook, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.spec import random_codes

SIZES = ((1, 1), (3, 3), (5, 5), (3, 1), (1, 3), (2, 2), (5, 3))


def coded(graph: Graph, bits: int) -> Graph:
    """The graph with the weights of its convolutions drawn to levels of so many bits; 8 leaves it as it is."""
    if bits == 8:
        return graph
    levels = np.linspace(0, 100, 1 << (bits - 1)).astype(np.int64)
    book = Codebook.shared(bits, levels)
    for node in graph.nodes:
        if node.op in ("conv2d", "depthwise_conv2d"):
            weights = node.input(1)
            assert weights.quant is not None
            numbers = weights.array.astype(np.int64)
            nearest = np.abs(np.abs(numbers)[..., None] - levels).argmin(axis=-1)
            quant = replace(weights.quant, codebook=book)
            node.set_input(1, Value.constant("w", (np.sign(numbers) * levels[nearest]).astype(np.int8), quant))
    return graph


class Network:
    """A chain with residual sums under construction; every layer has some rows of output."""

    def __init__(self, rng: np.random.Generator, height: int, width: int, channels: int) -> None:
        self._rng = rng
        self.image = Value("image", (1, height, width, channels), DType.INT8, self._quant())
        self.nodes: list[Node] = []
        self.x = self.image

    def layer(self) -> None:
        """One more layer of a random kind."""
        kinds = (self._convolution, self._depthwise, self._pool, self._table, self._block, self._pointwise)
        kinds[self._rng.integers(len(kinds))]()

    def graph(self) -> Graph:
        """All layers so far."""
        return Graph("net", [self.image], [self.x], self.nodes)

    def _quant(self) -> QuantType:
        return QuantType.per_tensor(
            float(np.float32(self._rng.uniform(0.02, 0.08))), int(self._rng.integers(-128, 128))
        )

    def _add(self, op: str, inputs: list[Value], quant: QuantType, attrs: dict[str, object]) -> None:
        output = Value(f"{op}_{len(self.nodes)}", (), DType.INT8, quant)
        node = Node(op, output.name, inputs, [output], attrs)
        output.shape = spec_of(op).infer(node)[0]
        self.nodes.append(node)
        self.x = output

    def _window(self, kernel: tuple[int, int], most_stride: int = 2) -> dict[str, object]:
        """Padding and strides with which every window has a row and a column of the input."""
        height, width = self.x.shape[1:3]
        dilation = (2, 1) if kernel[0] == 2 else (1, 1)
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        before = [int(self._rng.integers(r)) for r in reach]
        after = [int(self._rng.integers(r)) for r in reach]
        for axis, size in enumerate((height, width)):
            if size + before[axis] + after[axis] < reach[axis]:
                before[axis], after[axis] = reach[axis] // 2, (reach[axis] - 1) // 2
        stride = tuple(int(self._rng.integers(1, most_stride + 1)) if s > 6 else 1 for s in (height, width))
        return {"stride": stride, "padding": (before[0], before[1], after[0], after[1]), "dilation": dilation}

    def _weights(self, shape: tuple[int, ...], axis: int) -> tuple[list[Value], QuantType]:
        channels, taps = shape[axis], int(np.prod(shape)) // shape[axis]
        scales = tuple(float(np.float32(s)) for s in self._rng.uniform(0.002, 0.004, channels))
        weights = Value.constant("w", random_codes(self._rng, shape), QuantType(scales, (0,) * channels, axis))
        bias = Value.constant("b", self._rng.integers(-2000, 2000, channels).astype(np.int32))
        assert self.x.quant is not None
        scale = self.x.quant.scale[0] * 0.003 * 74 * 74 * taps**0.5 / 60
        return [self.x, weights, bias], QuantType.per_tensor(float(np.float32(scale)), int(self._rng.integers(-90, 90)))

    def _rounding(self) -> dict[str, object]:
        return {"activation": "none", "double_rounding": bool(self._rng.integers(2))}

    def _convolution(self, kernel: tuple[int, int] | None = None, outputs: int = 0) -> None:
        chosen = kernel or SIZES[self._rng.integers(len(SIZES))]
        outputs = outputs or int(self._rng.integers(1, 13))
        attrs = self._window(chosen) if kernel is None else self._same()
        inputs, quant = self._weights((outputs, *chosen, self.x.shape[3]), 0)
        self._add("conv2d", inputs, quant, {**attrs, **self._rounding()})

    def _pointwise(self) -> None:
        self._convolution((1, 1))

    def _same(self) -> dict[str, object]:
        return {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}

    def _depthwise(self, same: bool = False) -> None:
        kernel = (3, 3) if same else SIZES[self._rng.integers(1, len(SIZES))]
        attrs = {**self._same(), "padding": (1, 1, 1, 1)} if same else self._window(kernel)
        multiplier = 1 if same or self._rng.integers(4) else 2
        inputs, quant = self._weights((*kernel, self.x.shape[3] * multiplier), 2)
        self._add("depthwise_conv2d", inputs, quant, {**attrs, **self._rounding()})

    def _pool(self) -> None:
        op = ("avg_pool2d", "max_pool2d")[self._rng.integers(2)]
        assert self.x.quant is not None
        window = self._window((3, 2) if self._rng.integers(2) else (2, 2))
        del window["dilation"]
        kernel = (int(self._rng.integers(2, 4)), 2)
        attrs = {**window, "kernel": kernel, "padding": (kernel[0] - 1, 0, 0, 1), "activation": "none"}
        self._add(op, [self.x], self.x.quant, attrs)

    def _table(self) -> None:
        self._add("tanh", [self.x], QuantType.per_tensor(1 / 128, 0), {})

    def _block(self) -> None:
        """An inverted residual block."""
        x = self.x
        self._convolution((1, 1), 2 * x.shape[3])
        self._depthwise(same=True)
        self._convolution((1, 1), x.shape[3])
        self._add("add", [x, self.x], self._quant(), {"activation": "none"})


def turned(graph: Graph) -> Graph:
    """The graph with an NCHW image, the channels of which a first layer puts last."""
    image = graph.inputs[0]
    batch, height, width, channels = image.shape
    source = Value("image", (batch, channels, height, width), image.dtype, image.quant)
    output = Value("turned", image.shape, image.dtype, image.quant)
    for reader, index in list(image.uses):
        reader.set_input(index, output)
    return Graph(
        graph.name,
        [source],
        graph.outputs,
        [Node("transpose", "turned", [source], [output], {"perm": (0, 2, 3, 1)}), *graph.nodes],
    )


def random_network(seed: int, wider: int = 0) -> Graph:
    """An image of odd size, some columns `wider`, through up to seven layers or blocks."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(9, 24)), int(rng.integers(5, 15)) + wider
    network = Network(rng, height, width, (1, 3, 4, 8)[rng.integers(4)])
    for _ in range(int(rng.integers(2, 6))):
        network.layer()
    return network.graph()


def random_streams(graph: Graph, seed: int) -> list[Stream]:
    """Cuts of a chain at single tensors: streams of two layers or more, single layers in between."""
    rng = np.random.default_rng(seed)
    cuts = [0]
    for end in range(1, len(graph.nodes) + 1):
        inside = {*graph.nodes[cuts[-1] : end - 1]}
        readers = {reader for node in inside for reader, _ in node.output.uses}
        if readers <= {*graph.nodes[cuts[-1] : end]} and (end == len(graph.nodes) or rng.integers(4) == 0):
            cuts.append(end)
    streams = []
    for start, end in pairwise(cuts):
        nodes = tuple(graph.nodes[start:end])
        if len(nodes) < 2:
            continue
        rows = (1, 1, 2, 3, 5, 8)[rng.integers(6)]
        source = streamed_inputs(nodes[0])[0]
        outside = any(reader not in nodes for reader, _ in source.uses)
        replacing = Stream(nodes, rows, None, source)
        takes = not outside and Schedule(replacing).can_replace
        streams.append(replacing if takes else Stream(nodes, rows))
    return streams


def striped(streams: list[Stream], seed: int) -> list[Stream]:
    """The streams over two to five stripes each, where windows and columns allow it."""
    rng = np.random.default_rng(seed)
    found = []
    for stream in streams:
        stripes = min(int(rng.integers(2, 6)), stream.last.output.shape[2])
        cut = can_be_cut(stream.nodes)
        found.append(Stream(stream.nodes, stream.rows, stripes=stripes) if cut else stream)
    return found
