"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 codes: one node for the whole sequence."""

from __future__ import annotations

import math

from edgekit.importers.tflite.layer import Layer
from edgekit.importers.tflite.lstm_operands import BIASES, INPUT_WEIGHTS, PROJECTION, PROJECTION_BIAS, RECURRENT_WEIGHTS
from edgekit.ir import DType, Value

_OUTPUT_STATE, _CELL_STATE, _HIDDEN = 18, 19, 4
# The specs' gates are input, forget, cell, output; the file's tables here input, forget, output, cell.
_GATES = (0, 1, 3, 2)


def integer_lstm(layer: Layer) -> Value:
    """The node of an LSTM with int8 activations and weights and an int16 cell state."""
    x, options = layer.value(0), layer.options
    state, cell = layer.value(_OUTPUT_STATE), layer.value(_CELL_STATE)
    if x.dtype is not DType.INT8 or cell.dtype is not DType.INT16 or state.dtype is not DType.INT8:
        raise layer.unsupported(
            f"{x.dtype.value} activations with a cell state of {cell.dtype.value}", "convert to int8 with int16 states"
        )
    if cell.quant is None or state.quant != layer.output_quant():
        raise layer.bad("has a cell state without a scale, or an output state of another scale than its output")
    fraction, exponent = math.frexp(cell.quant.scale[0])
    if fraction != 0.5:
        raise layer.bad(f"has a cell state of scale {cell.quant.scale[0]}, which is no power of two")
    if len(layer.intermediates) <= _HIDDEN or (hidden := layer.intermediates[_HIDDEN].quant) is None:
        raise layer.bad("does not give the quantization of its hidden state")
    tables = [t[g] for t in (INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES) for g in _GATES]
    operands = [layer.optional(i) for i in (*tables, PROJECTION, PROJECTION_BIAS)]
    absent = [operands[i] is None for i in (0, 4, 8)]
    if any(absent) != all(absent) or any(operands[i] is None for i in range(12) if i % 4):
        raise layer.bad("lacks weights or a bias of a gate")
    attrs = {
        "time_major": bool(options.TimeMajor()), "cell_exponent": exponent - 1,
        "hidden_scale": hidden.scale[0], "hidden_zero": hidden.zero_point[0],
        "cell_clip": _limit(layer, options.CellClip()), "projection_clip": _limit(layer, options.ProjClip()),
    }  # fmt: skip
    return layer.result("int_lstm", [x, *operands], attrs)


def _limit(layer: Layer, clip: float) -> float:
    if not math.isfinite(clip) or clip < 0:
        raise layer.bad(f"clips at {clip}")
    return float(clip)
