"""An LSTM over a sequence of int8 codes, with int16 gates and cell state, as TFLite's integer kernel defines it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import fixed16
from edgekit.ops import fixed_point as fp
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes

GATES = ("input", "forget", "cell", "output")
# Operands after x: per gate the input weights, recurrent weights and biases; then the projection.
INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES, PROJECTION, PROJECTION_BIAS = 1, 5, 9, 13, 14
GATE_SCALE = np.float32(2.0**-12)
Scale = tuple[int, int]


@dataclass(frozen=True)
class LstmScales:
    """(multiplier, shift) from accumulators: per present gate to Q3.12, of the hidden state and of the projection."""

    inputs: tuple[Scale, ...]
    recurrent: tuple[Scale, ...]
    hidden: Scale
    projection: Scale


def is_coupled(node: Node) -> bool:
    """Whether the input gate is what the forget gate leaves."""
    return node.optional_input(INPUT_WEIGHTS) is None


def gates_of(node: Node) -> range:
    """The gates that have weights, as places in GATES."""
    return range(1 if is_coupled(node) else 0, 4)


def lstm_scales(node: Node) -> LstmScales:
    """All multipliers; scales are multiplied in float32."""
    (sx, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.output))

    def gate(first: int, activation: float) -> tuple[Scale, ...]:
        scales = (fp.single_quant(node.input(first + g))[0] for g in gates_of(node))
        return tuple(fp.quantize_multiplier(float(np.float32(s) * np.float32(activation) / GATE_SCALE)) for s in scales)

    hidden, projection = np.float32(node.attrs["hidden_scale"]), node.optional_input(PROJECTION)
    projected = (0, 0)
    if projection is not None:
        factor = np.float32(fp.single_quant(projection)[0]) * hidden / np.float32(sy)
        projected = fp.quantize_multiplier(float(factor))
    product = fp.quantize_multiplier(float(np.float32(2.0**-30 / float(hidden))))
    return LstmScales(gate(INPUT_WEIGHTS, sx), gate(RECURRENT_WEIGHTS, sy), product, projected)


def folded_bias(weights: Value, bias: Value | None, zero: int) -> Array:
    """int64 [rows]: the bias of a product with codes whose zero point is `zero`, taken as they are."""
    sums: Array = weights.array.astype(np.int64).sum(axis=1) * -zero
    return sums if bias is None else sums + bias.array


def hidden_offset(node: Node) -> int:
    """What is added to hidden codes. TFLite subtracts the zero point of those that are projected, and calls it back."""
    zero = int(node.attrs["hidden_zero"])
    return zero if node.optional_input(PROJECTION) is None else -zero


def cell_clip(node: Node) -> int:
    """The limit of the cell state's codes, 0 for none."""
    return int(min(np.float32(node.attrs["cell_clip"]) / np.float32(2.0 ** node.attrs["cell_exponent"]), 32767.0))


def projection_clip(node: Node) -> int:
    """The limit of the projection's codes, 0 for none."""
    limit = np.float32(node.attrs["projection_clip"]) / np.float32(fp.single_quant(node.output)[0])
    return int(min(limit, 127.0))


def int8_and_constant(node: Node) -> bool:
    """activations must be int8 codes, weights constant int8 codes with one scale and zero point 0, biases int32."""
    activations = [node.input(0), node.output]
    weights = [node.input(first + g) for first in (INPUT_WEIGHTS, RECURRENT_WEIGHTS) for g in gates_of(node)]
    weights += [v for v in (node.optional_input(PROJECTION),) if v is not None]
    biases = [v for v in (*node.inputs[BIASES:PROJECTION], node.optional_input(PROJECTION_BIAS)) if v is not None]
    return (
        all(v.dtype is DType.INT8 and v.quant is not None and v.quant.is_per_tensor for v in (*activations, *weights))
        and all(v.is_constant and fp.single_quant(v)[1] == 0 for v in weights)
        and all(v.is_constant and v.dtype is DType.INT32 for v in biases)
    )


def cell_state_is_in_range(node: Node) -> bool:
    """the cell state's scale must be a power of two from 2**-15 to 2**-9."""
    return -15 <= int(node.attrs["cell_exponent"]) <= -9


def accumulators_fit(node: Node) -> bool:
    """accumulators must stay below 2**30 in either scale, and the hidden state's scale above 2**-30."""
    if not int8_and_constant(node):
        return False
    scales, zero = lstm_scales(node), fp.single_quant(node.output)[1]
    products: list[tuple[Value, Value | None, int, Scale]] = []
    for place, g in enumerate(gates_of(node)):
        fed = node.input(INPUT_WEIGHTS + g), node.input(BIASES + g)
        products.append((*fed, fp.single_quant(node.input(0))[1], scales.inputs[place]))
        products.append((node.input(RECURRENT_WEIGHTS + g), None, zero, scales.recurrent[place]))
    projection = node.optional_input(PROJECTION)
    if projection is not None:
        bias = node.optional_input(PROJECTION_BIAS)
        products.append((projection, bias, hidden_offset(node), scales.projection))
    return scales.hidden[1] <= 0 and all(_reach(w, b, z) << max(s[1], 0) < 1 << 30 for w, b, z, s in products)


def _reach(weights: Value, bias: Value | None, zero: int) -> int:
    rows = np.abs(weights.array.astype(np.int64)).sum(axis=1) * 128 + np.abs(folded_bias(weights, bias, zero))
    return int(rows.max(initial=0))


class IntLstm(OpSpec):
    """Inputs x [B,T,I]; per gate of GATES weights [U,I], weights [U,W], biases [U] (the input gate's may be absent:
    it is what the forget gate leaves); a projection [W,U] and its bias [W], or none.

    Attrs: time_major (x and y are [T,B,..]); cell_exponent (the cell state's scale is 2 to that power); hidden_scale
    and hidden_zero, the quantization of what is projected, or of the output; cell_clip and projection_clip in real
    numbers, 0 for none. The output state has the output's quantization; states start from zeros.
    """

    name = "int_lstm"
    summary = "LSTM over a sequence of int8 codes with int16 gates and cell state"
    tflite = ("UNIDIRECTIONAL_SEQUENCE_LSTM",)
    rewrite = "convert it in float32, or with int8 activations and weights"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (int8_and_constant, cell_state_is_in_range, accumulators_fit)

    def infer(self, node: Node) -> list[Shape]:
        x, projection = node.input(0).shape, node.optional_input(PROJECTION)
        units = node.input(INPUT_WEIGHTS + 1).shape[0]
        width = units if projection is None else projection.shape[0]
        wanted = {INPUT_WEIGHTS: (units, x[-1]), RECURRENT_WEIGHTS: (units, width), BIASES: (units,)}
        fits = all(node.input(f + g).shape == shape for f, shape in wanted.items() for g in gates_of(node))
        bias = node.optional_input(PROJECTION_BIAS)
        fits = fits and (projection is None or projection.shape == (width, units))
        fits = fits and (bias is None or (projection is not None and bias.shape == (width,)))
        if len(x) != 3 or min(x) < 1 or not fits:
            raise bad_shape(node, "input, weights and biases do not go together")
        return [(x[0], x[1], width)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        x = x if node.attrs["time_major"] else x.swapaxes(0, 1)
        y = _run(node, x.astype(np.int64)).astype(np.int8)
        return [y if node.attrs["time_major"] else np.ascontiguousarray(y.swapaxes(0, 1))]

    def macs(self, node: Node) -> int:
        rows = int(np.prod(node.input(0).shape[:2]))
        weights = [v for v in (*node.inputs[INPUT_WEIGHTS:BIASES], node.optional_input(PROJECTION)) if v is not None]
        return rows * sum(v.elements for v in weights)

    def cases(self) -> Iterable[Case]:
        yield self._case("plain", (1, 5, 7), 9, None, {})
        yield self._case("batch", (3, 4, 2), 5, None, {"cell_clip": 0.4, "cell_exponent": -15})
        yield self._case("coupled", (2, 3, 4), 6, None, {"time_major": True, "cell_exponent": -9}, coupled=True)
        yield self._case("projected", (2, 6, 5), 8, 3, {"hidden_scale": 0.006, "hidden_zero": -7})
        yield self._case("clipped", (1, 6, 5), 4, 6, {"projection_clip": 0.2})

    def _case(
        self, name: str, shape: Shape, units: int, width: int | None, changes: dict[str, object], coupled: bool = False
    ) -> Case:  # fmt: skip
        rng = np.random.default_rng(1900 + units)
        outputs = units if width is None else width
        attrs: dict[str, object] = {
            "time_major": False, "cell_exponent": -12, "hidden_scale": 0.008, "hidden_zero": 3, "cell_clip": 0.0,
            "projection_clip": 0.0,
        }  # fmt: skip
        attrs |= changes

        def weights(label: str, scale: float, *dims: int) -> Value:
            codes = rng.integers(-127, 128, dims).astype(np.int8)
            return Value.constant(label, codes, QuantType.per_tensor(scale, 0))

        def bias(label: str, scale: float, size: int) -> Value:
            codes = rng.integers(-2000, 2000, size).astype(np.int32)
            return Value.constant(label, codes, QuantType.per_tensor(scale, 0))

        gates = range(1 if coupled else 0, 4)
        x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.03, -4))
        operands: list[Value | None] = [x, *[None] * 14]
        for g in gates:
            operands[INPUT_WEIGHTS + g] = weights(f"w{g}", 0.004 + 0.002 * g, units, shape[2])
            operands[RECURRENT_WEIGHTS + g] = weights(f"r{g}", 0.012 - 0.002 * g, units, outputs)
            operands[BIASES + g] = bias(f"b{g}", 0.03 * (0.004 + 0.002 * g), units)
        if width is not None:
            operands[PROJECTION] = weights("p", 0.01, width, units)
            operands[PROJECTION_BIAS] = bias("pb", 0.00008, width)
        y = Value("y", (), DType.INT8, QuantType.per_tensor(0.008, 3))
        node = Node(self.name, self.name, operands, [y], attrs)
        y.shape = self.infer(node)[0]
        graph = Graph(self.name, [x], [y], [node])
        return Case(name, graph, ((random_codes(rng, shape),), (random_codes(rng, shape),)))


def _run(node: Node, x: Array) -> Array:
    """Codes [T,B,W] of x [T,B,I], int64."""
    scales, (_, zero_x), (_, zero) = lstm_scales(node), fp.single_quant(node.input(0)), fp.single_quant(node.output)
    units = node.input(INPUT_WEIGHTS + 1).shape[0]
    state = np.full((x.shape[1], node.output.shape[2]), zero, np.int64)
    cell = np.zeros((x.shape[1], units), np.int64)
    outputs = []
    for step in x:
        gates: dict[str, Array] = {}
        for place, g in enumerate(gates_of(node)):
            fed = _product(node.input(INPUT_WEIGHTS + g), node.input(BIASES + g), zero_x, scales.inputs[place], step)
            back = _product(node.input(RECURRENT_WEIGHTS + g), None, zero, scales.recurrent[place], state)
            total = fixed16.saturated(fixed16.saturated(fed) + back)
            gates[GATES[g]] = fixed16.tanh(total, 3) if GATES[g] == "cell" else fixed16.sigmoid(total)
        cell = _next_cell(node, cell, gates)
        state = _next_state(node, scales, cell, gates["output"])
        outputs.append(state)
    return np.stack(outputs)


def _product(weights: Value, bias: Value | None, zero: int, scale: Scale, x: Array) -> Array:
    acc: Array = x @ weights.array.astype(np.int64).T + folded_bias(weights, bias, zero)
    return np.asarray(fp.multiply_by_quantized_multiplier(acc, *scale))


def _next_cell(node: Node, cell: Array, gates: dict[str, Array]) -> Array:
    kept = fp.rounding_divide_by_pot(gates["forget"] * cell, 15)
    taken = fixed16.HIGH - gates["forget"] if is_coupled(node) else gates["input"]
    new = fp.rounding_divide_by_pot(taken * gates["cell"], 30 + int(node.attrs["cell_exponent"]))
    cell, clip = fixed16.saturated(kept + new), cell_clip(node)
    return np.clip(cell, -clip, clip) if clip else cell


def _next_state(node: Node, scales: LstmScales, cell: Array, gate: Array) -> Array:
    shown = gate * fixed16.tanh(cell, 15 + int(node.attrs["cell_exponent"]))
    offset = hidden_offset(node)
    hidden: Array = np.clip(fp.multiply_by_quantized_multiplier(shown, *scales.hidden) + offset, -128, 127)
    projection = node.optional_input(PROJECTION)
    if projection is None:
        return hidden
    projected = _product(projection, node.optional_input(PROJECTION_BIAS), offset, scales.projection, hidden)
    codes, clip = np.clip(projected + fp.single_quant(node.output)[1], -128, 127), projection_clip(node)
    return np.asarray(np.clip(codes, -clip, clip) if clip else codes)
