"""Recurrent layers; those of floats are unrolled over time: every step is made of the operators that the graph has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.importers.tflite.integer_lstm import integer_lstm
from edgekit.importers.tflite.layer import Layer
from edgekit.importers.tflite.lstm_operands import (
    BIASES,
    INPUT_WEIGHTS,
    NORMS,
    PEEPHOLES,
    PROJECTION,
    PROJECTION_BIAS,
    RECURRENT_WEIGHTS,
)
from edgekit.ir import Array, DType, Value

# Longer sequences make programs that no longer fit; every step costs some 15 kernel calls.
MAX_STEPS = 256
_GATES = ("input", "forget", "output", "cell")


@dataclass(frozen=True)
class _Cell:
    """The constants of an LSTM: gates stacked in the order of _GATES."""

    input_weights: Array
    recurrent_weights: Array
    bias: Array
    projection: Array | None
    projection_bias: Array | None
    units: int
    clip: float
    projection_clip: float


def lstm(layer: Layer) -> Value:
    """UNIDIRECTIONAL_SEQUENCE_LSTM. Its state starts from zeros at every inference."""
    x, options = layer.value(0), layer.options
    if any(layer.optional(i) is not None for i in (*PEEPHOLES, *NORMS)):
        raise layer.unsupported("peepholes or layer normalization", "use the plain cell")
    if options.FusedActivationFunction() != schema.ActivationFunctionType.TANH:
        raise layer.unsupported("an activation other than tanh", "use tanh")
    return integer_lstm(layer) if x.quant is not None else _unrolled(layer, x)


def svdf(layer: Layer) -> Value:
    """SVDF; weights of a float layer may be stored as int8. The state becomes an input and an output of the model."""
    x, state, options = layer.value(0), layer.value(4), layer.options
    features, memory, bias = (layer.optional(i) for i in (1, 2, 3))
    if x.quant is None:
        features, memory = (Value.constant(f"{layer.name} weights {i}", _real(layer, i)) for i in (1, 2))
    record = layer.inputs[4]
    if record is None or not record.variable:
        raise layer.bad("has a state that is no variable")
    attrs = {"rank": int(options.Rank()), "activation": layer.activation()}
    operands = [x, state, features, memory, bias]
    y, kept = layer.emit_several("svdf", operands, attrs, [layer.output_quant(), state.quant])
    kept.name = f"{state.name} next"
    layer.states.append((state, kept))
    return layer.result("reshape", [y], {"shape": y.shape})


def _unrolled(layer: Layer, x: Value) -> Value:
    if x.dtype is not DType.FLOAT32:
        raise layer.unsupported(f"{x.dtype.value} without a scale", "convert it in float32, or quantize it to int8")
    cell = _cell(layer)
    if len(x.shape) != 3 or x.shape[2] != cell.input_weights.shape[1] or min(x.shape) < 1:
        raise layer.bad(f"input {list(x.shape)} does not go with weights {list(cell.input_weights.shape)}")
    major = bool(layer.options.TimeMajor())
    steps, batch = (x.shape[0], x.shape[1]) if major else (x.shape[1], x.shape[0])
    if steps > MAX_STEPS:
        raise layer.unsupported(f"{steps} steps", f"feed at most {MAX_STEPS} steps at a time")
    if not major and batch > 1:
        x = layer.emit("transpose", [x], {"perm": (1, 0, 2)}, "time first")
    rows = layer.reshaped(x, (steps * batch, x.shape[2]), "rows")
    weights, bias = (Value.constant(f"{layer.name} {n}", a) for n, a in
                     (("input weights", cell.input_weights), ("bias", cell.bias)))  # fmt: skip
    projected = layer.emit("fully_connected", [rows, weights, bias], {"activation": "none"}, "inputs")
    outputs = _run(layer, cell, projected, steps, batch)
    if steps == 1:
        return layer.result("reshape", [outputs[0]], {"shape": layer.outputs[0].shape})
    joined = layer.emit("concat", outputs, {"axis": 0}, "steps")
    width = outputs[0].shape[1]
    if major or batch == 1:
        return layer.result("reshape", [joined], {"shape": layer.outputs[0].shape})
    split = layer.reshaped(joined, (steps, batch, width), "time first result")
    return layer.result("transpose", [split], {"perm": (1, 0, 2)})


def _real(layer: Layer, index: int) -> Array:
    """The real numbers of constant operand `index`: weights may be stored as int8."""
    value, data = layer.value(index), layer.constant(index)
    return value.quant.dequantize(data) if value.quant is not None else data.astype(np.float32)


def _cell(layer: Layer) -> _Cell:
    coupled = layer.optional(INPUT_WEIGHTS[0]) is None
    gates = range(1, 4) if coupled else range(4)
    inputs = [_real(layer, INPUT_WEIGHTS[g]) for g in gates]
    recurrent = [_real(layer, RECURRENT_WEIGHTS[g]) for g in gates]
    biases = [_real(layer, BIASES[g]) for g in gates]
    units = inputs[0].shape[0] if inputs[0].ndim == 2 else 0
    same = all(w.ndim == 2 and w.shape == inputs[0].shape for w in inputs)
    same = same and all(w.ndim == 2 and w.shape == recurrent[0].shape and w.shape[0] == units for w in recurrent)
    if not units or not same or any(b.shape != (units,) for b in biases):
        raise layer.bad("has weights of different shapes")
    if coupled:
        # The input gate is what the forget gate leaves: 1 - sigmoid(z) = sigmoid(-z).
        inputs, recurrent, biases = ([-parts[0], *parts] for parts in (inputs, recurrent, biases))
    projection = None if layer.optional(PROJECTION) is None else _real(layer, PROJECTION)
    width = units if projection is None else projection.shape[0]
    if recurrent[0].shape[1] != width or (projection is not None and projection.shape != (width, units)):
        raise layer.bad("has recurrent weights that do not go with its output")
    projection_bias = None if layer.optional(PROJECTION_BIAS) is None else _real(layer, PROJECTION_BIAS)
    return _Cell(
        np.concatenate(inputs), np.concatenate(recurrent), np.concatenate(biases), projection, projection_bias, units,
        float(layer.options.CellClip()), float(layer.options.ProjClip()),
    )  # fmt: skip


def _run(layer: Layer, cell: _Cell, projected: Value, steps: int, batch: int) -> list[Value]:
    """The output of every step, [batch, width]."""
    recurrent = Value.constant(f"{layer.name} recurrent weights", cell.recurrent_weights)
    state: Value | None = None
    output: Value | None = None
    outputs = []
    for step in range(steps):
        gates = _columns(layer, projected, step * batch, batch, 0, 4 * cell.units, f"step {step} inputs")
        if output is not None:
            part = f"step {step} recurrent"
            fed_back = layer.emit("fully_connected", [output, recurrent, None], {"activation": "none"}, part)
            gates = layer.emit("add", [gates, fed_back], {"activation": "none"}, f"step {step} gates")
        state, output = _step(layer, cell, gates, state, f"step {step}")
        outputs.append(output)
    return outputs


def _columns(layer: Layer, x: Value, row: int, rows: int, start: int, size: int, part: str) -> Value:
    if (row, rows, start, size) == (0, x.shape[0], 0, x.shape[1]):
        return x
    attrs = {"starts": (row, start), "steps": (1, 1), "sizes": (rows, size)}
    return layer.emit("slice", [x], attrs, part)


def _step(layer: Layer, cell: _Cell, gates: Value, state: Value | None, name: str) -> tuple[Value, Value]:
    """(cell state, output) after one step."""
    units, batch, none = cell.units, gates.shape[0], {"activation": "none"}
    opened = layer.emit("sigmoid", [_columns(layer, gates, 0, batch, 0, 3 * units, f"{name} z")], {}, f"{name} sigmoid")
    new = layer.emit("tanh", [_columns(layer, gates, 0, batch, 3 * units, units, f"{name} g")], {}, f"{name} tanh")
    take, forget, give = (
        _columns(layer, opened, 0, batch, i * units, units, f"{name} {gate}") for i, gate in enumerate(_GATES[:3])
    )
    fresh = layer.emit("mul", [take, new], none, f"{name} new")
    if state is not None:
        kept = layer.emit("mul", [forget, state], none, f"{name} kept")
        fresh = layer.emit("add", [kept, fresh], none, f"{name} state")
    if cell.clip > 0:
        fresh = layer.emit("clip", [fresh], {"low": -cell.clip, "high": cell.clip}, f"{name} clipped")
    shown = layer.emit("tanh", [fresh], {}, f"{name} state tanh")
    output = layer.emit("mul", [give, shown], none, f"{name} output")
    if cell.projection is not None:
        weights = Value.constant(f"{layer.name} projection", cell.projection)
        bias = None
        if cell.projection_bias is not None:
            bias = Value.constant(f"{layer.name} projection bias", cell.projection_bias)
        output = layer.emit("fully_connected", [output, weights, bias], none, f"{name} projection")
        if cell.projection_clip > 0:
            limits = {"low": -cell.projection_clip, "high": cell.projection_clip}
            output = layer.emit("clip", [output], limits, f"{name} projection clipped")
    return fresh, output
