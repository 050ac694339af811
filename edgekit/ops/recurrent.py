"""rnn, gru, lstm: ONNX's recurrent layers in float32, step by step as runtime_c/include/ek_recurrent.h does them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import math_f32 as m
from edgekit.ops.math_f32 import F32
from edgekit.ops.matmul import ordered_matmul
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized
from edgekit.ops.unary import clamp, softplus

# In the order of EK_CELL_..: name -> function of (x, alpha, beta).
ACTIVATIONS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "sigmoid": lambda x, alpha, beta: m.sigmoid(x),
    "tanh": lambda x, alpha, beta: m.tanh(x),
    "relu": lambda x, alpha, beta: np.where(x < 0, F32(0), x),
    "affine": lambda x, alpha, beta: x * alpha + beta,
    "leaky_relu": lambda x, alpha, beta: np.where(x < 0, x * alpha, x),
    "thresholded_relu": lambda x, alpha, beta: np.where(x > alpha, x, F32(0)),
    "scaled_tanh": lambda x, alpha, beta: m.tanh(x * beta) * alpha,
    "hard_sigmoid": lambda x, alpha, beta: clamp(x * alpha + beta, F32(0), F32(1)),
    "elu": lambda x, alpha, beta: np.where(x < 0, m.expm1(x) * alpha, x),
    "softsign": lambda x, alpha, beta: x / (F32(1) + np.abs(x)),
    "softplus": lambda x, alpha, beta: softplus(x),
}
OUTPUTS = ("y", "y_h", "y_c")
# Operands from the fourth on.
_BIAS, _LENGTHS, _H0, _C0, _PEEPHOLES = 3, 4, 5, 6, 7


@dataclass(frozen=True)
class Direction:
    """One direction's operands: w [G*H,I], r [G*H,H], bias_w and bias_r [G*H] and peepholes [3*H], or None."""

    w: Array
    r: Array
    bias_w: Array | None
    bias_r: Array | None
    peepholes: Array | None

    def gates(self, first: int, last: int, hidden: int) -> Direction:
        """The same of gates `first` to `last` - 1."""
        part = slice(first * hidden, last * hidden)
        bias_w, bias_r = (None if b is None else b[part] for b in (self.bias_w, self.bias_r))
        return Direction(self.w[part], self.r[part], bias_w, bias_r, self.peepholes)


def _plus(x: Array, *terms: Array | None) -> Array:
    for term in terms:
        x = x if term is None else x + term
    return x


def _dot(acc: Array, h: Array, rows: Array) -> Array:
    """acc [B,O] + h [B,K] times rows [O,K], one k after the other."""
    for k in range(rows.shape[1]):
        acc = acc + h[:, k, None] * rows[:, k]
    return acc


class Recurrent(OpSpec):
    """Inputs x [T,B,I], w [D,G*H,I], r [D,G*H,H]; bias [D,2*G*H], int32 lengths [B] and h0 [D,B,H] where there are
    some; lstm: c0 [D,B,H], peepholes [D,3*H].

    Attrs: activations, a (name, alpha, beta) per activation of every direction; reverse (the first direction runs from
    the end); clip (infinite for none); linear_before_reset (gru); input_forget (lstm); outputs: which of y [T,D,B,H],
    y_h [D,B,H] and y_c [D,B,H] there are.
    """

    gates: int
    activations: int
    states: int
    rewrite = "use --precision float32, or run it outside the model"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (_floats, _int32_lengths, _outside_no_sequence)

    def infer(self, node: Node) -> list[Shape]:
        x, w, r = (node.input(i).shape for i in range(3))
        if not len(x) == len(w) == len(r) == 3:
            raise bad_shape(node, "input, weights and recurrent weights need three axes each")
        (time, batch, inputs), (directions, rows, _), hidden = x, w, r[2]
        rows = self.gates * hidden
        state = (directions, batch, hidden)
        wanted: dict[int, Shape] = {
            1: (directions, rows, inputs), 2: (directions, rows, hidden), _BIAS: (directions, 2 * rows),
            _LENGTHS: (batch,), _H0: state, _C0: state, _PEEPHOLES: (directions, 3 * hidden),
        }  # fmt: skip
        for index, shape in wanted.items():
            value = node.optional_input(index) if index < len(node.inputs) else None
            if value is not None and value.shape != shape:
                raise bad_shape(node, f"operand {index} must be {list(shape)}")
        if directions not in (1, 2) or not hidden or len(node.attrs["activations"]) != directions * self.activations:
            raise bad_shape(node, f"{directions} directions with their activations do not fit")
        shapes = {"y": (time, directions, batch, hidden), "y_h": state, "y_c": state}
        return [shapes[name] for name in node.attrs["outputs"]]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.input(0).dtype for _ in node.outputs]

    def macs(self, node: Node) -> int:
        (time, batch, inputs), (directions, rows, hidden) = node.input(0).shape, node.input(2).shape
        return time * batch * directions * rows * (inputs + hidden)

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        operands = [*inputs, *[None] * (8 - len(inputs))]
        x, r = operands[0], operands[2]
        assert x is not None and r is not None
        directions, hidden = len(r), r.shape[2]
        results = {
            "y": np.zeros((x.shape[0], directions, x.shape[1], hidden), np.float32),
            "y_h": np.zeros((directions, x.shape[1], hidden), np.float32),
            "y_c": np.zeros((directions, x.shape[1], hidden), np.float32),
        }
        with np.errstate(all="ignore"):
            for d in range(directions):
                self._run(node, operands, d, results)
        return [results[name] for name in node.attrs["outputs"]]

    def _run(self, node: Node, operands: Sequence[Array | None], d: int, results: dict[str, Array]) -> None:
        """One direction over all steps; batches whose sequence has ended keep their state."""
        x, w, r, bias, lengths, h0, c0, peepholes = operands
        assert x is not None and w is not None and r is not None
        time, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
        rows = self.gates * hidden
        own = Direction(
            w[d], r[d], None if bias is None else bias[d, :rows], None if bias is None else bias[d, rows:],
            None if peepholes is None else peepholes[d],
        )  # fmt: skip
        count = np.full(batch, time) if lengths is None else np.clip(lengths, 0, time)
        states = [np.zeros((batch, hidden), np.float32) if s is None else s[d].copy() for s in (h0, c0)]
        every, projected = np.arange(batch), ordered_matmul(x, own.w)
        for step in range(time):
            active = step < count
            when = np.where(active, count - 1 - step if d == 1 or node.attrs["reverse"] else step, 0)
            after = self._step(node, d, own, projected[when, every], states)
            states = [np.where(active[:, None], a, s) for a, s in zip(after, states, strict=True)]
            results["y"][when[active], d, every[active]] = states[0][active]
        results["y_h"][d], results["y_c"][d] = states

    def _step(self, node: Node, d: int, own: Direction, x: Array, states: list[Array]) -> list[Array]:
        """The next h and c, from x [B,G*H], which is multiplied with w already."""
        raise NotImplementedError

    def _activated(self, node: Node, d: int, which: int, x: Array, clip: float | None = None) -> Array:
        name, alpha, beta = node.attrs["activations"][d * self.activations + which]
        limit = F32(node.attrs["clip"] if clip is None else clip)
        return np.asarray(ACTIVATIONS[name](clamp(x, -limit, limit), F32(alpha), F32(beta)), np.float32)

    def cases(self) -> Iterable[Case]:
        names = ("sigmoid", "tanh", "tanh")[: self.activations] if self.gates > 1 else ("tanh",)
        plain = [(n, 0.0, 0.0) for n in names]
        base: dict[str, Any] = {
            "activations": plain, "reverse": False, "clip": np.inf, "linear_before_reset": False,
            "input_forget": False, "outputs": OUTPUTS[: self.states + 1],
        }  # fmt: skip
        yield self._case("plain", base, 1, 3, ())
        yield self._case(
            "all", base | {"activations": plain * 2}, 2, 4, tuple(range(_BIAS, 6 if self.gates < 4 else 8))
        )
        clipped = base | {"clip": 0.5, "reverse": True, "linear_before_reset": True, "input_forget": True}
        yield self._case("clipped", clipped, 1, 3, (_BIAS, _H0))
        yield self._case("state", clipped | {"outputs": ("y_h",)}, 1, 2, (_LENGTHS,))
        for name in ACTIVATIONS:
            kinds = [(name, 0.3, 0.7)] * self.activations
            yield self._case(name, base | {"activations": kinds, "outputs": ("y",)}, 1, 2, (_BIAS,))

    def _case(
        self, name: str, attrs: dict[str, Any], directions: int, time: int, optional: tuple[int, ...]
    ) -> Case:  # fmt: skip
        rng, batch, inputs, hidden = np.random.default_rng(1900), 3, 4, 5
        rows, state = self.gates * hidden, (directions, batch, hidden)
        shapes: list[Shape] = [
            (time, batch, inputs), (directions, rows, inputs), (directions, rows, hidden), (directions, 2 * rows),
            (batch,), state, state, (directions, 3 * hidden),
        ]  # fmt: skip
        operands: list[Value | None] = []
        data = []
        for index, shape in enumerate(shapes[: 8 if self.gates == 4 else 6]):
            if index > 2 and index not in optional:
                operands.append(None)
                continue
            lengths = index == _LENGTHS
            operands.append(Value(f"v{index}", shape, DType.INT32 if lengths else DType.FLOAT32))
            numbers = rng.integers(-1, time + 2, shape) if lengths else rng.normal(0, 0.7, shape)
            data.append(numbers.astype(np.int32 if lengths else np.float32))
        outputs = [Value(output, (), DType.FLOAT32) for output in attrs["outputs"]]
        node = Node(self.name, self.name, operands, outputs, attrs)
        for value, shape in zip(outputs, self.infer(node), strict=True):
            value.shape = shape
        return Case(name, Graph(self.name, [v for v in operands if v is not None], outputs, [node]), (tuple(data),))


class Rnn(Recurrent):
    """h = f(x w + h r + biases)."""

    name, gates, activations, states = "rnn", 1, 1, 1
    summary = "recurrent layer of one gate, float32"
    onnx = ("RNN",)

    def _step(self, node: Node, d: int, own: Direction, x: Array, states: list[Array]) -> list[Array]:
        h, c = states
        return [self._activated(node, d, 0, _plus(_dot(x, h, own.r), own.bias_w, own.bias_r)), c]


class Gru(Recurrent):
    """Gates z, r and the candidate."""

    name, gates, activations, states = "gru", 3, 2, 1
    summary = "gated recurrent units, float32"
    onnx = ("GRU",)

    def _step(self, node: Node, d: int, own: Direction, x: Array, states: list[Array]) -> list[Array]:
        (h, c), n = states, states[0].shape[1]
        first, last = own.gates(0, 2, n), own.gates(2, 3, n)
        sums = _plus(_dot(x[:, : 2 * n], h, first.r), first.bias_w, first.bias_r)
        z, reset = (self._activated(node, d, 0, part) for part in (sums[:, :n], sums[:, n:]))
        if node.attrs["linear_before_reset"]:
            state = _plus(_dot(np.zeros_like(h), h, last.r), last.bias_r)
            candidate = _plus(x[:, 2 * n :] + reset * state, last.bias_w)
        else:
            candidate = _plus(_dot(x[:, 2 * n :], reset * h, last.r), last.bias_w, last.bias_r)
        fresh = (F32(1) - z) * self._activated(node, d, 1, candidate)
        return [fresh + z * h, c]


class Lstm(Recurrent):
    """Gates input, output, forget and the candidate."""

    name, gates, activations, states = "lstm", 4, 3, 2
    summary = "long short-term memory, float32"
    onnx = ("LSTM",)

    def _step(self, node: Node, d: int, own: Direction, x: Array, states: list[Array]) -> list[Array]:
        (h, c), n = states, states[0].shape[1]
        sums = _plus(_dot(x, h, own.r), own.bias_w, own.bias_r)
        i, o, f, g = (sums[:, k * n : (k + 1) * n] for k in range(4))
        if own.peepholes is not None:
            i, f = i + own.peepholes[:n] * c, f + own.peepholes[2 * n :] * c
        i, f, g = self._activated(node, d, 0, i), self._activated(node, d, 0, f), self._activated(node, d, 1, g)
        kept = (F32(1) - i if node.attrs["input_forget"] else f) * c
        c = kept + i * g
        if own.peepholes is not None:
            o = o + own.peepholes[n : 2 * n] * c
        return [self._activated(node, d, 0, o) * self._activated(node, d, 2, c, np.inf), c]


def _floats(node: Node) -> bool:
    """all operands but the lengths must be float32 numbers (no quantized form)."""
    values = [v for i, v in enumerate(node.inputs) if v is not None and i != _LENGTHS]
    return not is_quantized(node) and all(v.dtype is DType.FLOAT32 for v in values)


def _int32_lengths(node: Node) -> bool:
    """sequence lengths must be int32."""
    value = node.optional_input(_LENGTHS) if len(node.inputs) > _LENGTHS else None
    return value is None or value.dtype is DType.INT32


def _outside_no_sequence(node: Node) -> bool:
    """there must be at least one input number and one step."""
    return 0 not in node.input(0).shape


RECURRENT_OPS: tuple[Recurrent, ...] = (Rnn(), Gru(), Lstm())
