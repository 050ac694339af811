"""Conformance cases of products whose weights have 4, 3 or 2 bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edgekit.ir import Array, Codebook, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.spec import Case, OpSpec, Shape, random_codes, single_node_graph

UNIFORM = {4: (0, 1, 2, 3, 4, 5, 6, 7), 3: (0, 1, 2, 3), 2: (0, 1)}
POWERS = {4: (0, 2, 7, 17, 32, 55, 87, 127), 3: (0, 14, 56, 127), 2: (0, 127)}
# Without a zero: uniform and a power.
LACKING_ZERO = {2: ((1, 3), (29, 127)), 3: ((1, 3, 5, 7), (3, 25, 66, 127))}
# Of channels in groups, one after the other: uniform ones as large as powers, and powers.
BY_GROUP = {
    4: (tuple(range(0, 127, 18)), POWERS[4], (0, 9, 23, 39, 58, 79, 102, 127)),
    3: (tuple(range(0, 127, 42)), POWERS[3], (0, 33, 76, 127)),
}


def coded_cases(
    spec: OpSpec, shapes: Sequence[tuple[Shape, Shape]], axis: int, attrs: Mapping[str, object], seed: int
) -> Iterable[Case]:
    """Per pair of (x, w) shapes and bits: channels that are short, of uniform levels or powers by turns, with one
    rounding or two; and of the first pair channels of any multipliers and biases, and a range of codes cut by relu.

    Args:
        axis: of the weights' output channels.
    """
    for index, (x, w) in enumerate(shapes):
        for bits in (4, 3, 2):
            rng = np.random.default_rng(seed + 10 * index + bits)
            levels = (UNIFORM, POWERS)[(index + bits) % 2][bits]
            double: dict[str, object] = {"double_rounding": index % 3 == 2}
            book = Codebook.shared(bits, levels)
            yield _case(spec, f"coded_{index}_w{bits}", rng, x, w, axis, book, {**attrs, **double})
    x, w = shapes[0]
    for bits in (4, 3, 2):
        rng, book = np.random.default_rng(seed + 100 + bits), Codebook.shared(bits, POWERS[bits])
        yield _case(spec, f"coded_wide_w{bits}", rng, x, w, axis, book, attrs, short=False)
        rng, relu = np.random.default_rng(seed + 110 + bits), {**attrs, "activation": "relu"}
        yield _case(spec, f"coded_relu_w{bits}", rng, x, w, axis, Codebook.shared(bits, UNIFORM[bits]), relu)


def zeroless_cases(
    spec: OpSpec, shapes: Sequence[tuple[Shape, Shape]], axis: int, attrs: Mapping[str, object], seed: int
) -> Iterable[Case]:
    """Per pair of (x, w) shapes and bits, weights with no level 0, uniform or powers by turns."""
    for index, (x, w) in enumerate(shapes):
        for bits in (3, 2):
            rng, book = np.random.default_rng(seed + 10 * index), Codebook.shared(bits, LACKING_ZERO[bits][index % 2])
            double: dict[str, object] = {"double_rounding": index % 3 == 2}
            yield _case(spec, f"coded_zeroless_{index}_w{bits}", rng, x, w, axis, book, {**attrs, **double}, index != 1)


def grouped_cases(
    spec: OpSpec, shapes: Sequence[tuple[Shape, Shape]], axis: int, attrs: Mapping[str, object], seed: int
) -> Iterable[Case]:
    """Per pair of (x, w) shapes and bits: groups of four channels, of eight by turns, with levels of their own."""
    for index, (x, w) in enumerate(shapes):
        for bits in (4, 3):
            rng, group = np.random.default_rng(seed + 10 * index + bits), 8 if index % 3 == 1 else 4
            groups = -(-w[axis] // group)
            levels = tuple(BY_GROUP[bits][(index + n) % 3] for n in range(groups))
            double: dict[str, object] = {"double_rounding": index % 3 == 2}
            book, short = Codebook(bits, levels, group), index != 1
            yield _case(spec, f"coded_groups_{index}_w{bits}", rng, x, w, axis, book, {**attrs, **double}, short)


def _case(
    spec: OpSpec, name: str, rng: np.random.Generator, x_shape: Shape, w_shape: Shape, axis: int, codebook: Codebook,
    attrs: Mapping[str, object], short: bool = True,
) -> Case:  # fmt: skip
    """One layer; `short`: multipliers of 16 bits, and biases in sixteenths of an output code."""
    channels = w_shape[axis]
    weights = codebook.weights(rng.integers(codebook.lowest_code, codebook.largest_code + 1, w_shape), axis)
    steps = np.where(codebook.peaks(channels) > 7, 128, 1 << codebook.bits - 1)
    x = Value("x", x_shape, DType.INT8, QuantType.per_tensor(2.0**-5, int(rng.integers(-128, 128))))
    mantissas = rng.integers(1 << 15, 1 << 16, channels) * 2.0 ** rng.integers(-19, -17, channels)
    scales = mantissas if short else rng.uniform(0.05, 0.2, channels)
    quant = QuantType(tuple(float(np.float32(s)) for s in scales / steps), (0,) * channels, axis, codebook)
    fan_in = int(np.prod(w_shape)) // channels
    y_scale = 2.0 ** round(np.log2(0.05 * fan_in**0.5)) / 2
    y = Value("y", (), DType.INT8, QuantType.per_tensor(y_scale, int(rng.integers(-100, 100))))
    bias = Value.constant("b", np.zeros(channels, np.int32))
    graph = single_node_graph(spec.name, [x, Value.constant("w", weights, quant), bias], [y], dict(attrs))
    node = graph.nodes[0]
    y.shape = spec.infer(node)[0]
    bias.array[...] = _biases(node, rng, short)
    return Case(name, graph, tuple((random_codes(rng, x_shape),) for _ in range(2)))


def _biases(node: Node, rng: np.random.Generator, short: bool) -> Array:
    channels = node.input(2).elements
    if not short:
        return rng.integers(-20000, 20000, channels)
    _, shift = fp.product_multipliers(node.input(0), node.input(1), node.output, False)
    return rng.integers(-1600, 1600, channels) << np.maximum(-shift - 4, 0)
