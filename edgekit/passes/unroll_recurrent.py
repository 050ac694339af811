"""Recurrent layers as their steps, each of ordinary layers: the form that can be quantized."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.ir import Array, Graph, Node, Value
from edgekit.passes.base import Pass, add_node

MAX_STEPS = 128
_NONE = {"activation": "none"}
# Activation -> which of (alpha, beta) its operator has, under which names.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "sigmoid": (), "tanh": (), "relu": (), "softsign": (), "softplus": (), "leaky_relu": ("alpha",), "elu": ("alpha",),
    "thresholded_relu": ("alpha",), "hard_sigmoid": ("alpha", "beta"),
}  # fmt: skip


class UnrollRecurrent(Pass):
    """rnn, gru and lstm become fully connected layers, sums, products and activations, one set per step.

    Requires a float graph. Ensures that no recurrent layer is left that has constant weights, at most 128 steps, full
    sequences, no clipping, constant peepholes and activations that are operators of their own. Equal up to rounding.
    Steps share their weights, which lowering stores once.
    """

    name = "unroll-recurrent"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op in _CELLS and _can_unroll(node):
                _Unroller(graph, node).run()
                changed = True
        return changed


def _can_unroll(node: Node) -> bool:
    operands = [*node.inputs, *[None] * (8 - len(node.inputs))]
    lengths = operands[4]
    constant = all(v is None or v.is_constant for v in (*operands[1:4], operands[7]))
    known = all(name in _PARAMETERS for name, _, _ in node.attrs["activations"])
    plain = not np.isfinite(node.attrs["clip"]) and not node.attrs.get("input_forget", False)
    short = node.input(0).shape[0] <= MAX_STEPS
    return constant and known and plain and short and lengths is None


class _Unroller:
    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node
        self.steps, self.batch, self.inputs = node.input(0).shape
        self.directions, _, self.hidden = node.input(2).shape
        self.count = 0

    def emit(self, op: str, inputs: list[Value], attrs: dict[str, Any] | None = None) -> Value:
        self.count += 1
        return add_node(
            self.graph, self.node, op, f"{self.node.name} {op} {self.count}", list(inputs), dict(attrs or {}),
            self.node.input(0),
        )  # fmt: skip

    def run(self) -> None:
        results: dict[str, list[Value]] = {"y": [], "y_h": [], "y_c": []}
        for direction in range(self.directions):
            sequence, h, c = self._direction(direction)
            results["y"].append(self._joined([self._shaped(v, (1, 1, self.batch, self.hidden)) for v in sequence], 0))
            results["y_h"].append(self._shaped(h, (1, self.batch, self.hidden)))
            if c is not None:
                results["y_c"].append(self._shaped(c, (1, self.batch, self.hidden)))
        for name, old in zip(self.node.attrs["outputs"], self.node.outputs, strict=True):
            value = self._joined(results[name], 1 if name == "y" else 0)
            if self.graph.is_output(old):
                value.name = old.name
            self.graph.replace_value(old, value)
        self.graph.remove(self.node)

    def _direction(self, d: int) -> tuple[list[Value], Value, Value | None]:
        """The hidden state after every step in the order of the input, and the last hidden and cell state."""
        cell = _CELLS[self.node.op](self, d)
        backwards = d == 1 or bool(self.node.attrs["reverse"])
        order = range(self.steps - 1, -1, -1) if backwards else range(self.steps)
        sequence: dict[int, Value] = {}
        for step in order:
            sequence[step] = cell.step(self._at(step))
        last = sequence[order[-1]]
        return [sequence[step] for step in range(self.steps)], last, cell.c

    def _at(self, step: int) -> Value:
        attrs = {"starts": (step, 0, 0), "steps": (1, 1, 1), "sizes": (1, self.batch, self.inputs)}
        return self._shaped(self.emit("slice", [self.node.input(0)], attrs), (self.batch, self.inputs))

    def _shaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        return self.emit("reshape", [value], {"shape": shape})

    def _joined(self, values: list[Value], axis: int) -> Value:
        return values[0] if len(values) == 1 else self.emit("concat", values, {"axis": axis})


class _Cell:
    """One direction: its weights per gate and its state."""

    gates: int

    def __init__(self, owner: _Unroller, d: int) -> None:
        node, rows = owner.node, self.gates * owner.hidden
        self.owner, self.hidden = owner, owner.hidden
        self.w, self.r = node.input(1).array[d], node.input(2).array[d]
        bias = node.optional_input(3)
        both = np.zeros(2 * rows, np.float32) if bias is None else bias.array[d]
        self.bias_w, self.bias_r = both[:rows], both[rows:]
        count = len(node.attrs["activations"]) // owner.directions
        self.functions = node.attrs["activations"][d * count : (d + 1) * count]
        self.h, self.c = (self._start(index, d) for index in (5, 6))

    def step(self, x: Value) -> Value:
        """The new hidden state."""
        raise NotImplementedError

    def _start(self, index: int, d: int) -> Value | None:
        value = self.owner.node.optional_input(index)
        shape = (self.owner.batch, self.hidden)
        if value is None or (value.is_constant and not value.array.any()):
            return None
        if value.is_constant:
            return Value.constant(value.name, value.array[d].reshape(shape))
        attrs = {"starts": (d, 0, 0), "steps": (1, 1, 1), "sizes": (1, *shape)}
        return self.owner._shaped(self.owner.emit("slice", [value], attrs), shape)

    def product(self, x: Value, weights: Array, bias: Array, first: int, last: int) -> Value:
        """x times the rows of gates `first` to `last` - 1, plus their bias."""
        part = slice(first * self.hidden, last * self.hidden)
        name = self.owner.node.name
        operands = [x, Value.constant(f"{name} weights", weights[part]), Value.constant(f"{name} bias", bias[part])]
        return self.owner.emit("fully_connected", operands, _NONE)

    def sums(self, x: Value, first: int, last: int) -> Value:
        """What gates sum up: of the input, and of the state where there is one."""
        if self.h is None:
            return self.product(x, self.w, self.bias_w + self.bias_r, first, last)
        own = self.product(x, self.w, self.bias_w, first, last)
        return self.emit("add", own, self.product(self.h, self.r, self.bias_r, first, last))

    def gate(self, total: Value, index: int, function: int) -> Value:
        """One gate of a sum of several, through an activation."""
        return self.activated(self.part(total, index), function)

    def part(self, total: Value, index: int) -> Value:
        """One gate of a sum of several."""
        shape = (self.owner.batch, self.hidden)
        if total.shape == shape:
            return total
        attrs = {"starts": (0, index * self.hidden), "steps": (1, 1), "sizes": shape}
        return self.owner.emit("slice", [total], attrs)

    def activated(self, value: Value, function: int) -> Value:
        name, alpha, beta = self.functions[function]
        given = {"alpha": float(alpha), "beta": float(beta)}
        return self.owner.emit(name, [value], {key: given[key] for key in _PARAMETERS[name]})

    def emit(self, op: str, a: Value, b: Value) -> Value:
        return self.owner.emit(op, [a, b], _NONE)


class _Rnn(_Cell):
    gates = 1

    def step(self, x: Value) -> Value:
        self.h = self.activated(self.sums(x, 0, 1), 0)
        return self.h


class _Lstm(_Cell):
    """Gates i, o, f, c; peepholes let the first three see the cell's state, o the new one."""

    gates = 4

    def __init__(self, owner: _Unroller, d: int) -> None:
        super().__init__(owner, d)
        peepholes = owner.node.optional_input(7)
        self.peepholes = None if peepholes is None else peepholes.array[d].reshape(3, 1, self.hidden)

    def step(self, x: Value) -> Value:
        total = self.sums(x, 0, 4)
        entry, forget = self._seeing(total, 0, self.c), self._seeing(total, 2, self.c)
        fresh = self.emit("mul", entry, self.gate(total, 3, 1))
        self.c = fresh if self.c is None else self.emit("add", self.emit("mul", forget, self.c), fresh)
        self.h = self.emit("mul", self._seeing(total, 1, self.c), self.activated(self.c, 2))
        return self.h

    def _seeing(self, total: Value, index: int, state: Value | None) -> Value:
        """Gate i, o or f with its view of the cell's state, where there is one."""
        own = self.part(total, index)
        if self.peepholes is not None and state is not None:
            view = Value.constant(f"{self.owner.node.name} peephole {index}", self.peepholes[index])
            own = self.emit("add", own, self.emit("mul", state, view))
        return self.activated(own, 0)


class _Gru(_Cell):
    """Gates z, r, h."""

    gates = 3

    def step(self, x: Value) -> Value:
        total = self.sums(x, 0, 2)
        update, reset = (self.gate(total, index, 0) for index in range(2))
        new = self.activated(self._candidate(x, reset), 1)
        if self.h is None:
            self.h = self.emit("sub", new, self.emit("mul", update, new))
        else:
            self.h = self.emit("add", new, self.emit("mul", update, self.emit("sub", self.h, new)))
        return self.h

    def _candidate(self, x: Value, reset: Value) -> Value:
        before = bool(self.owner.node.attrs["linear_before_reset"])
        if self.h is None and not before:
            return self.product(x, self.w, self.bias_w + self.bias_r, 2, 3)
        own = self.product(x, self.w, self.bias_w, 2, 3)
        if self.h is None:
            offset = Value.constant(f"{self.owner.node.name} offset", self.bias_r[2 * self.hidden :].reshape(1, -1))
            return self.emit("add", own, self.emit("mul", reset, offset))
        if before:
            return self.emit("add", own, self.emit("mul", reset, self.product(self.h, self.r, self.bias_r, 2, 3)))
        return self.emit("add", own, self.product(self.emit("mul", reset, self.h), self.r, self.bias_r, 2, 3))


_CELLS: dict[str, type[_Cell]] = {"rnn": _Rnn, "gru": _Gru, "lstm": _Lstm}
