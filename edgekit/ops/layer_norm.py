"""layer_norm: rows brought to mean 0 and variance 1, then scaled and shifted; in integers by integer_norm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.errors import BadModel
from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import math_f32 as m
from edgekit.ops.integer_norm import (
    MAX_COUNT,
    NormConstants,
    epsilon_is_moderate,
    norm_constants,
    normalized,
    to_codes,
)
from edgekit.ops.reduce import ordered_sum
from edgekit.ops.spatial import plain_floats
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized, random_codes, real_constant


class LayerNorm(OpSpec):
    """Inputs x, optional scale, optional bias; attrs axis (the first of the trailing axes that make a row), epsilon,
    centred (False: rows keep their mean and are divided by their root mean square).

    Scale and bias broadcast to x, varying along one block of neighbouring axes. Both sums of a row run in the order of
    memory; then x minus the mean, times 1 / sqrt(variance + epsilon), times the scale, plus the bias.
    """

    name = "layer_norm"
    summary = "layer, instance, group and RMS normalization with scale and bias"
    onnx = ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization")
    rewrite = "use BatchNormalization, or --precision float32"
    keeps_float_constants = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (_floats_or_codes, _short_rows, _moderate_epsilon)

    def infer(self, node: Node) -> list[Shape]:
        shape, axis = node.input(0).shape, node.attrs["axis"]
        if not 0 <= axis < len(shape) or math.prod(shape[axis:]) < 1:
            raise bad_shape(node, f"axis {axis} is outside the input, or its rows are empty")
        for index in (1, 2):
            operand = node.optional_input(index)
            if operand is not None:
                block_of(node, operand.shape)
        return [shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, scale, bias = (*inputs, None, None)[:3]
        assert x is not None
        rows = x.reshape(math.prod(x.shape[: node.attrs["axis"]]), -1)
        width = np.float32(rows.shape[1])
        with np.errstate(all="ignore"):
            if node.attrs["centred"]:
                rows = rows - (ordered_sum(rows) / width)[:, None]
            variance = ordered_sum(rows * rows) / width
            factor = np.float32(1) / m.sqrt(variance + np.float32(node.attrs["epsilon"]))
            y = (rows * factor[:, None]).reshape(x.shape)
            y = y if scale is None else y * scale
            return [np.asarray(y if bias is None else y + bias, np.float32)]

    def constants(self, node: Node) -> tuple[NormConstants, int, int]:
        """Integer constants of a quantized node, one per channel, and (channels, repeats): see `block_of`."""
        scale, bias = (
            np.full((), fill, np.float32) if v is None else real_constant(v)
            for v, fill in ((node.optional_input(1), 1.0), (node.optional_input(2), 0.0))
        )
        shape = np.broadcast_shapes(scale.shape, bias.shape)
        try:
            block = block_of(node, shape)
        except BadModel:
            # They vary along different axes: one entry per element.
            shape = node.input(0).shape
            block = block_of(node, shape)
        gamma, beta = (np.broadcast_to(array, shape).reshape(-1) for array in (scale, bias))
        width = math.prod(node.input(0).shape[node.attrs["axis"] :])
        (sx, _), (sy, _) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
        return norm_constants(gamma, beta, float(node.attrs["epsilon"]), width, sx, sy), *block

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        constants, channels, repeats = self.constants(node)
        rows = x.reshape(math.prod(x.shape[: node.attrs["axis"]]), -1).astype(np.int64)
        values = normalized(rows, fp.single_quant(node.input(0))[1], constants, node.attrs["centred"])
        channel = (np.arange(x.size) // repeats % channels).reshape(rows.shape)
        scale, offset = constants.scale[channel], constants.offset[channel]
        return [
            to_codes(values, constants, scale, offset, fp.single_quant(node.output)[1]).astype(np.int8).reshape(x.shape)
        ]

    def cases(self) -> Iterable[Case]:
        yield from self._integer_cases()
        geometries: list[tuple[Shape, int, Shape | None, Shape | None, bool]] = [
            ((2, 3, 7), 2, (7,), (7,), True),
            ((2, 3, 4, 5), 2, (3, 1, 1), (3, 1, 1), True),
            ((2, 2, 3, 4), 2, (2, 3, 1), None, True),
            ((3, 4, 5), 1, (4, 5), (1, 5), False),
            ((4, 6), 1, None, None, True),
        ]
        for index, (shape, axis, scale, bias, centred) in enumerate(geometries):
            rng = np.random.default_rng(2300 + index)
            shapes = [s for s in (shape, scale, bias) if s is not None]
            values: list[Value | None] = [
                None if s is None else Value(f"v{i}", s, DType.FLOAT32) for i, s in enumerate((shape, scale, bias))
            ]
            attrs: dict[str, object] = {"axis": axis, "epsilon": 1e-5, "centred": centred}
            node = Node(self.name, self.name, values, [Value("y", shape, DType.FLOAT32)], attrs)
            graph = Graph(self.name, [v for v in values if v is not None], node.outputs, [node])
            data = [rng.normal(1, 2, s).astype(np.float32) for s in shapes]
            data[0].reshape(-1)[: shape[-1]] = 3.0
            yield Case(f"c{index}", graph, (tuple(data),))

    def _integer_cases(self) -> Iterable[Case]:
        geometries: list[tuple[Shape, int, Shape | None, Shape | None, bool, float, float]] = [
            ((3, 37), 1, (37,), (37,), True, 0.07, 1.0),
            ((2, 3, 4, 5), 2, (3, 1, 1), (3, 1, 1), True, 0.07, 1.0),
            ((2, 3, 4), 1, (4,), (3, 1), True, 0.07, 1.0),
            ((4, 6), 1, None, None, True, 0.07, 1.0),
            ((3, 16), 1, (16,), None, False, 0.07, 1.0),
            # An epsilon that is a fraction beside the codes, or all there is; a scale that hardly counts.
            ((5, 16), 1, (16,), (16,), True, 0.01, 1.0),
            ((3, 20), 1, (20,), (20,), True, 1e-6, 1e-3),
            ((4, 5), 1, None, (5,), False, 0.01, 1.0),
        ]
        for index, (shape, axis, scale, bias, centred, x_scale, size) in enumerate(geometries):
            rng = np.random.default_rng(2350 + index)
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(x_scale, -9))
            y = Value("y", shape, DType.INT8, QuantType.per_tensor(0.03, 5))
            gamma, beta = (
                None if s is None else Value.constant(n, (rng.normal(0.3, 1, s) * by).astype(np.float32))
                for n, s, by in (("scale", scale, size), ("bias", bias, 1.0))
            )
            attrs: dict[str, object] = {"axis": axis, "epsilon": 1e-5, "centred": centred}
            node = Node(self.name, self.name, [x, gamma, beta], [y], attrs)
            flat, almost = np.full(shape, 3, np.int8), np.full(shape, 3, np.int8)
            almost.reshape(-1)[::7] += 1
            data = (random_codes(rng, shape),), (flat,), (almost,)
            yield Case(f"codes{index}", Graph(self.name, [x], [y], [node]), data)


def _floats_or_codes(node: Node) -> bool:
    """the input must be float32, or int8 codes with constant scale and bias."""
    if not is_quantized(node):
        return plain_floats(node)
    constant = all(v is None or v.is_constant for v in node.inputs[1:])
    return constant and node.input(0).dtype is DType.INT8 and node.output.dtype is DType.INT8


def _short_rows(node: Node) -> bool:
    """rows of codes may have at most 32768 elements."""
    return not is_quantized(node) or math.prod(node.input(0).shape[node.attrs["axis"] :]) <= MAX_COUNT


def _moderate_epsilon(node: Node) -> bool:
    """epsilon must be at most 2**40 squares of the input's scale, and times the square of a row's length 2**61."""
    x, quantized = node.input(0), is_quantized(node)
    width = math.prod(x.shape[node.attrs["axis"] :])
    return not quantized or epsilon_is_moderate(float(node.attrs["epsilon"]), width, fp.single_quant(x)[0])


def block_of(node: Node, shape: Shape) -> tuple[int, int]:
    """(count, repeats) of an operand that broadcasts to x: element i of x meets its element i / repeats % count.

    Raises BadModel where it does not broadcast, or varies along axes that are not neighbours.
    """
    full = node.input(0).shape
    own = (1,) * (len(full) - len(shape)) + tuple(shape)
    varying = [a for a, size in enumerate(own) if size != 1]
    if len(own) != len(full) or any(own[a] != full[a] for a in varying):
        raise bad_shape(node, f"{list(shape)} does not broadcast to the input")
    if not varying:
        return 1, 1
    first, last = varying[0], varying[-1]
    if any(full[a] != 1 and a not in varying for a in range(first, last + 1)):
        raise bad_shape(node, f"{list(shape)} varies along axes that are not neighbours")
    return math.prod(own), math.prod(full[last + 1 :])
