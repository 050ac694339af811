"""Recurrent layers in float32."""

from __future__ import annotations

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import Node
from edgekit.ops import spec_of
from edgekit.ops.recurrent import ACTIVATIONS, OUTPUTS, Recurrent

# Floats per hidden unit that a kernel works in.
_SCRATCH = {"rnn": 2, "gru": 5, "lstm": 6}


def lower_recurrent(node: Node, ctx: LoweringContext) -> None:
    """ek_rnn_f32, ek_gru_f32, ek_lstm_f32; a null pointer for every operand and output that is not there."""
    spec = spec_of(node.op)
    assert isinstance(spec, Recurrent)
    count = 8 if node.op == "lstm" else 6
    operands = [*node.inputs, *[None] * (count - len(node.inputs))]
    inputs: list[Arg] = [Literal(0) if v is None else ctx.operand(v) for v in operands]
    made = dict(zip(node.attrs["outputs"], node.outputs, strict=True))
    outputs: list[Arg] = [ctx.write(made[n]) if n in made else Literal(0) for n in OUTPUTS[: spec.states + 1]]
    scratch = ctx.scratch(4 * _SCRATCH[node.op] * node.input(2).shape[2])
    params = ctx.struct("ek_recurrent_params", _fields(node, spec))
    ctx.call(f"ek_{node.op}_f32", params, *inputs, *outputs, scratch)


def _fields(node: Node, spec: Recurrent) -> Fields:
    (time, batch, inputs), (directions, _, hidden) = node.input(0).shape, node.input(2).shape
    kinds, alphas, betas = [0] * 6, [0.0] * 6, [0.0] * 6
    names = list(ACTIVATIONS)
    for index, (name, alpha, beta) in enumerate(node.attrs["activations"]):
        place = 3 * (index // spec.activations) + index % spec.activations
        kinds[place], alphas[place], betas[place] = names.index(name), float(alpha), float(beta)
    return {
        "time": time, "batch": batch, "inputs": inputs, "hidden": hidden, "directions": directions,
        "reverse": int(node.attrs["reverse"]), "kind": kinds, "alpha": alphas, "beta": betas,
        "clip": float(node.attrs["clip"]), "linear_before_reset": int(node.attrs["linear_before_reset"]),
        "input_forget": int(node.attrs["input_forget"]),
    }  # fmt: skip
