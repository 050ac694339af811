"""Recurrent layers of codes, and SVDF."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.int16 import rescale_fields, rescale_rows
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import Array, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import int_lstm as lstm
from edgekit.ops.spec import is_quantized
from edgekit.ops.svdf import feature_bias, svdf_scales


def lower_int_lstm(node: Node, ctx: LoweringContext) -> None:
    """ek_int_lstm_s8: the whole sequence in one call."""
    x, y, gates, scales = node.input(0), node.output, lstm.gates_of(node), lstm.lstm_scales(node)
    weights, recurrent = (
        ctx.constant("int8_t", np.concatenate([node.input(first + g).array.reshape(-1) for g in gates]))
        for first in (lstm.INPUT_WEIGHTS, lstm.RECURRENT_WEIGHTS)
    )
    table = ctx.constant("ek_rescale", rescale_rows((*scales.inputs, *scales.recurrent)))
    projection: tuple[Arg, Arg] = (Literal(0), Literal(0))
    projected = node.optional_input(lstm.PROJECTION)
    if projected is not None:
        bias = lstm.folded_bias(projected, node.optional_input(lstm.PROJECTION_BIAS), lstm.hidden_offset(node))
        projection = (ctx.constant("int8_t", projected.array.reshape(-1)), ctx.constant("int32_t", _int32(bias)))
    biases = ctx.constant("int32_t", _int32(np.concatenate(_gate_biases(node))))
    units, outputs = node.input(lstm.INPUT_WEIGHTS + 1).shape[0], y.shape[2]
    params = ctx.struct("ek_int_lstm_params", _fields(node, scales))
    scratch = ctx.scratch(11 * units + outputs)
    ctx.call(
        "ek_int_lstm_s8", params, ctx.read(x), weights, recurrent, biases, table, *projection, ctx.write(y), scratch
    )


def _gate_biases(node: Node) -> list[Array]:
    gates, zero_x, zero = lstm.gates_of(node), fp.single_quant(node.input(0))[1], fp.single_quant(node.output)[1]
    fed = [lstm.folded_bias(node.input(lstm.INPUT_WEIGHTS + g), node.input(lstm.BIASES + g), zero_x) for g in gates]
    return fed + [lstm.folded_bias(node.input(lstm.RECURRENT_WEIGHTS + g), None, zero) for g in gates]


def _fields(node: Node, scales: lstm.LstmScales) -> Fields:
    shape, major = node.input(0).shape, bool(node.attrs["time_major"])
    steps, batch = (shape[0], shape[1]) if major else (shape[1], shape[0])
    return {
        "steps": steps, "batch": batch, "time_rows": batch if major else 1, "batch_rows": 1 if major else steps,
        "inputs": shape[2], "units": node.input(lstm.INPUT_WEIGHTS + 1).shape[0], "outputs": node.output.shape[2],
        "coupled": int(lstm.is_coupled(node)), "cell_bits": 15 + int(node.attrs["cell_exponent"]),
        "cell_clip": lstm.cell_clip(node), "projection_clip": lstm.projection_clip(node),
        "hidden_offset": lstm.hidden_offset(node), "output_zero": fp.single_quant(node.output)[1],
        "hidden": rescale_fields(scales.hidden), "projection": rescale_fields(scales.projection),
    }  # fmt: skip


def _int32(biases: Array) -> Array:
    # The operator's constraint keeps them within 30 bits.
    return biases.astype(np.int32)


def lower_svdf(node: Node, ctx: LoweringContext) -> None:
    """ek_svdf_s8 or ek_svdf_f32."""
    (x, state, features, memory), (y, kept) = (node.input(i) for i in range(4)), node.outputs
    codes, bias = is_quantized(node), node.optional_input(4)
    scales = svdf_scales(node) if codes else ((0, 0), (0, 0))
    low, high = fp.ACTIVATIONS[node.attrs["activation"]]
    fields: Fields = {
        "batch": x.shape[0], "inputs": x.shape[1], "units": y.shape[1], "rank": int(node.attrs["rank"]),
        "memory": memory.shape[1], "feature": rescale_fields(scales[0]), "output": rescale_fields(scales[1]),
        "zero_point": fp.single_quant(y)[1] if codes else 0, "low": float(low), "high": float(high),
    }  # fmt: skip
    folded = (ctx.constant("int32_t", _int32(feature_bias(node))),) if codes else ()
    ctx.call(
        "ek_svdf_s8" if codes else "ek_svdf_f32", ctx.struct("ek_svdf_params", fields), ctx.read(x), ctx.read(state),
        _table(features, ctx), *folded, _table(memory, ctx), Literal(0) if bias is None else _table(bias, ctx),
        ctx.write(y), ctx.write(kept),
    )  # fmt: skip
    ctx.allow_in_place(state, kept)


def _table(value: Value, ctx: LoweringContext) -> Arg:
    return ctx.constant(value.dtype.c_name, value.array.reshape(-1))
