"""A rank-reduced layer over time (SVDF): features of the newest input, remembered, and weighted over the memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed16
from edgekit.ops import fixed_point as fp
from edgekit.ops.matmul import ordered_matmul
from edgekit.ops.reduce import ordered_sum
from edgekit.ops.spec import (
    Case,
    Constraint,
    OpSpec,
    Shape,
    bad_shape,
    is_quantized,
    random_codes,
    single_node_graph,
)

Scale = tuple[int, int]
_FLOATS = (DType.FLOAT32,)


def _operands(node: Node) -> list[Value]:
    return [v for v in (*node.inputs, *node.outputs) if v is not None]


def svdf_scales(node: Node) -> tuple[Scale, Scale]:
    """(multiplier, shift) from features to the state, and from sums over the memory to the output; in float32."""
    x, state, features, memory = (np.float32(fp.single_quant(node.input(i))[0]) for i in range(4))
    y = np.float32(fp.single_quant(node.outputs[0])[0])
    return fp.quantize_multiplier(float(x * features / state)), fp.quantize_multiplier(float(state * memory / y))


def feature_bias(node: Node) -> Array:
    """int64 [F]: what the input's zero point adds to every feature."""
    zero = fp.single_quant(node.input(0))[1]
    return np.asarray(node.input(2).array.astype(np.int64).sum(axis=1) * -zero)


def constant_weights(node: Node) -> bool:
    """weights and bias must be constants."""
    return all(v.is_constant for v in (node.input(2), node.input(3), node.optional_input(4)) if v is not None)


def floats_or_int8(node: Node) -> bool:
    """all must be float32, or int8 codes with int16 state and time weights; weights and state have zero point 0."""
    if not is_quantized(node):
        return all(v.dtype in _FLOATS for v in _operands(node))
    x, state, features, memory = (node.input(i) for i in range(4))
    bias, (y, kept) = node.optional_input(4), node.outputs
    types = [(x, DType.INT8), (features, DType.INT8), (y, DType.INT8), (state, DType.INT16), (memory, DType.INT16)]
    one_scale = all(v.dtype is t and v.quant is not None and v.quant.is_per_tensor for v, t in types)
    centred = one_scale and all(fp.single_quant(v)[1] == 0 for v in (features, memory, state))
    return centred and kept.quant == state.quant and (bias is None or bias.dtype is DType.INT32)


def moderate_scales(node: Node) -> bool:
    """features of codes must stay below 2**30 in either scale, and the output's multiplier below 1."""
    if not is_quantized(node):
        return True
    if not (constant_weights(node) and floats_or_int8(node)):
        return False
    reach = np.abs(node.input(2).array.astype(np.int64)).sum(axis=1) * 128 + np.abs(feature_bias(node))
    first, second = svdf_scales(node)
    return int(reach.max(initial=0)) << max(first[1], 0) < 1 << 30 and second[1] <= 0


def rectified_codes(node: Node) -> bool:
    """codes must have activation relu, which is the output's own range."""
    return not is_quantized(node) or node.attrs["activation"] == "relu"


class Svdf(OpSpec):
    """Inputs x [B,I], state [B,F*M], features [F,I], memory [F,M], optional bias [U]; attrs rank (F = U * rank) and
    activation. Outputs y [B,U] and the next state: per filter the features of the last M inputs, the newest last.

    On codes, sums over the memory wrap around at 32 bits, as TFLite's do.
    """

    name = "svdf"
    summary = "rank-reduced layer over time; its state is an input and an output"
    tflite = ("SVDF",)
    rewrite = "convert it in float32, or to int8 with int16 state and time weights"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (constant_weights, floats_or_int8, moderate_scales, rectified_codes)

    def infer(self, node: Node) -> list[Shape]:
        x, state, features, memory = (node.input(i).shape for i in range(4))
        rank, bias = int(node.attrs["rank"]), node.optional_input(4)
        if len(x) != 2 or len(features) != 2 or len(memory) != 2 or rank < 1 or min(*x, *features, *memory) < 1:
            raise bad_shape(node, "input and weights must have two axes, and the rank be at least 1")
        units = features[0] // rank
        fits = features[0] == units * rank == memory[0] and features[1] == x[1]
        if not fits or state != (x[0], features[0] * memory[1]) or (bias is not None and bias.shape != (units,)):
            raise bad_shape(node, "input, state, weights and bias do not go together")
        return [(x[0], units), state]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.input(0).dtype, node.input(1).dtype]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, state, features, memory, bias = (*inputs, None)[:5]
        assert x is not None and state is not None and features is not None and memory is not None
        kept = _shifted(state, ordered_matmul(x, features), memory.shape[1])
        products = kept * memory
        y = ordered_sum(products.reshape(len(x), node.outputs[0].shape[1], -1))
        y = fp.clamp_float(node.attrs["activation"], y if bias is None else y + bias)
        return [y, kept.reshape(state.shape)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, state = inputs[0], inputs[1]
        assert x is not None and state is not None
        features, memory, bias = node.input(2).array, node.input(3).array, node.optional_input(4)
        first, second = svdf_scales(node)
        sums = x.astype(np.int64) @ features.astype(np.int64).T + feature_bias(node)
        newest = fixed16.saturated(fp.multiply_by_quantized_multiplier(sums, *first))
        kept = _shifted(state.astype(np.int64), newest, memory.shape[1])
        acc = (kept * memory).reshape(len(x), node.outputs[0].shape[1], -1).sum(axis=-1)
        wrapped = (acc if bias is None else acc + bias.array).astype(np.int32)
        codes = fp.multiply_by_quantized_multiplier(wrapped, *second) + fp.single_quant(node.outputs[0])[1]
        return [np.clip(codes, -128, 127).astype(np.int8), kept.reshape(state.shape).astype(np.int16)]

    def macs(self, node: Node) -> int:
        return node.input(0).shape[0] * (node.input(2).elements + node.input(3).elements)

    def cases(self) -> Iterable[Case]:
        for index, (batch, inputs, units, rank, memory) in enumerate(
            [(2, 5, 3, 2, 4), (1, 7, 4, 1, 1), (1, 3, 2, 3, 9)]
        ):
            rng = np.random.default_rng(1950 + index)
            shapes = ((batch, inputs), (batch, units * rank * memory), (units * rank, inputs), (units * rank, memory))
            for quantized in (False, True):
                yield _case(self, rng, index, shapes, units, rank, quantized)


def _shifted(state: Array, newest: Array, memory: int) -> Array:
    """[B,F,M]: the state without its oldest column, and the newest features [B,F]."""
    columns = state.reshape(*newest.shape, memory)
    return np.concatenate([columns[..., 1:], newest[..., None]], axis=-1)


def _case(
    spec: Svdf, rng: np.random.Generator, index: int, shapes: tuple[Shape, ...], units: int, rank: int, quantized: bool
) -> Case:  # fmt: skip
    kinds = (DType.INT8, DType.INT16, DType.INT8, DType.INT16) if quantized else _FLOATS * 4
    scales = ((0.05, 3), (0.002, 0), (0.01, 0), (0.0001, 0))
    quants = [QuantType.per_tensor(*s) if quantized else None for s in scales]
    arrays = [
        random_codes(rng, shape, kind) if quantized else rng.normal(0, 1, shape).astype(np.float32)
        for shape, kind in zip(shapes, kinds, strict=True)
    ]
    x, state = (Value(n, s, k, q) for n, s, k, q in zip(("x", "state"), shapes, kinds, quants, strict=False))
    operands = [x, state, *(Value.constant(n, arrays[i], quants[i]) for i, n in ((2, "features"), (3, "memory")))]
    if index != 1:
        bias = rng.integers(-9000, 9000, units).astype(np.int32) if quantized else rng.normal(0, 1, units)
        bias_quant = QuantType.per_tensor(2e-7, 0) if quantized else None
        operands.append(Value.constant("bias", bias if quantized else bias.astype(np.float32), bias_quant))
    y_quant = QuantType.per_tensor(0.03, -128) if quantized else None
    outputs = [Value("y", (), kinds[0], y_quant), Value("kept", (), kinds[1], quants[1])]
    graph = single_node_graph(spec.name, operands, outputs, {"rank": rank, "activation": "relu"})
    for value, shape in zip(outputs, spec.infer(graph.nodes[0]), strict=True):
        value.shape = shape
    return Case(f"{'codes' if quantized else 'f32'}_{index}", graph, ((arrays[0], arrays[1]),))
