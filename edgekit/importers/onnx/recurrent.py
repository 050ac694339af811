"""RNN, GRU and LSTM."""

from __future__ import annotations

import math

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.ir import Value
from edgekit.ops import spec_of
from edgekit.ops.recurrent import Recurrent

# ONNX's name in lower case -> ours, and the parameters that it has where none are given.
_ACTIVATIONS = {
    "sigmoid": ("sigmoid", ()), "tanh": ("tanh", ()), "relu": ("relu", ()), "softsign": ("softsign", ()),
    "softplus": ("softplus", ()), "affine": ("affine", (1.0, 0.0)), "leakyrelu": ("leaky_relu", (0.01,)),
    "thresholdedrelu": ("thresholded_relu", (1.0,)), "scaledtanh": ("scaled_tanh", (1.0, 1.0)),
    "hardsigmoid": ("hard_sigmoid", (0.2, 0.5)), "elu": ("elu", (1.0,)),
}  # fmt: skip
_DEFAULTS = {"rnn": ("Tanh",), "gru": ("Sigmoid", "Tanh"), "lstm": ("Sigmoid", "Tanh", "Tanh")}
# Input, weights and recurrent weights.
_REQUIRED = 3
_LAYOUT = "export with layout 0 or 1"


def recurrent(layer: Layer) -> list[Value]:
    """All three; layout 1 has the batch first, outside of which nothing differs."""
    if layer.builder.quantized:
        raise layer.unsupported(
            "has no quantized form", "leave it out of the quantization, or run it outside the model"
        )
    spec = spec_of(layer.op.lower())
    assert isinstance(spec, Recurrent)
    batch_first = layer.int_attr("layout", 0)
    if batch_first not in (0, 1):
        raise layer.unsupported(f"layout {batch_first}", _LAYOUT)
    last = 8 if layer.op == "LSTM" else 6
    operands = [layer.value(i) if i < _REQUIRED or layer.has(i) else None for i in range(last)]
    if len(layer.value(0).shape) != 3 or len(layer.value(2).shape) != 3:
        raise layer.bad("input and recurrent weights need three axes")
    if batch_first:
        for index in (0, 5, 6):
            value = operands[index] if index < len(operands) else None
            if value is not None:
                operands[index] = layer.transpose(value, (1, 0, 2), f"operand {index}")
    if layer.has_attr("hidden_size") and layer.int_attr("hidden_size") != layer.value(2).shape[2]:
        raise layer.bad("attribute 'hidden_size' differs from the weights'")
    names = [n for n, given in zip(("y", "y_h", "y_c"), layer.record.outputs, strict=False) if given]
    values = layer.builder.emit_several(spec.name, layer.name, operands, _attributes(layer, spec, names), len(names))
    made = dict(zip(names, values, strict=True))
    if batch_first:
        made = {n: layer.transpose(v, (2, 0, 1, 3) if n == "y" else (1, 0, 2), n) for n, v in made.items()}
    # An output without a name stands for any.
    return [made.get(n, values[0]) for n, _ in zip(("y", "y_h", "y_c"), layer.record.outputs, strict=False)]


def _attributes(layer: Layer, spec: Recurrent, names: list[str]) -> dict[str, object]:
    direction = layer.str_attr("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        raise layer.bad(f"attribute 'direction' is {direction!r}")
    directions = 2 if direction == "bidirectional" else 1
    if layer.value(2).shape[0] != directions:
        raise layer.bad(f"weights of {layer.value(2).shape[0]} directions in a {direction} layer")
    clip = layer.float_attr("clip") if layer.has_attr("clip") else math.inf
    if clip < 0:
        raise layer.bad(f"attribute 'clip' is {clip}")
    return {
        "activations": _activations(layer, spec, directions), "reverse": direction == "reverse",
        "clip": float(np.float32(clip)), "linear_before_reset": bool(layer.int_attr("linear_before_reset", 0)),
        "input_forget": bool(layer.int_attr("input_forget", 0)), "outputs": tuple(names),
    }  # fmt: skip


def _activations(layer: Layer, spec: Recurrent, directions: int) -> list[tuple[str, float, float]]:
    """(name, alpha, beta) per activation; the lists of parameters go to the activations that have some, in order."""
    given = layer.record.attrs.get("activations", _DEFAULTS[spec.name] * directions)
    if not isinstance(given, tuple) or len(given) != directions * spec.activations:
        raise layer.bad(f"attribute 'activations' must be {directions * spec.activations} names")
    alphas, betas = (
        list(layer.floats_attr(name)) if layer.has_attr(name) else []
        for name in ("activation_alpha", "activation_beta")
    )
    result = []
    for name in given:
        if str(name).lower() not in _ACTIVATIONS:
            raise layer.unsupported(f"activation {name!r}", "use Sigmoid, Tanh or Relu")
        own, defaults = _ACTIVATIONS[str(name).lower()]
        alpha = alphas.pop(0) if defaults and alphas else (*defaults, 0.0)[0]
        beta = betas.pop(0) if len(defaults) > 1 and betas else (*defaults, 0.0, 0.0)[1]
        result.append((own, float(np.float32(alpha)), float(np.float32(beta))))
    return result
