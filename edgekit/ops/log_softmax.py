"""log_softmax over the last axis, in float32 with every rounding step defined, so that firmware can equal it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, single_node_graph

F32 = np.float32
Floats = npt.NDArray[np.float32]

# The steps and constants of runtime_c/src/ek_log_softmax_f32.c, in the same order.
LOG2_E = F32(1.44269504)
LN2_HIGH = F32(0.693359375)
LN2_LOW = F32(-2.12194440e-4)
EXP_FLOOR = F32(-87.0)
EXP_TERMS = tuple(F32(1 / f) for f in (720, 120, 24, 6, 2, 1, 1))
LOG_TERMS = tuple(F32(2 / d) for d in (9, 7, 5, 3, 1))


def exp_of_negative(x: Floats) -> Floats:
    """exp of float32 values <= 0, within 2 ulp; values below -87 count as -87."""
    x = np.maximum(x, EXP_FLOOR)
    n = np.trunc(x * LOG2_E - F32(0.5))
    r = x - n * LN2_HIGH - n * LN2_LOW
    y = np.full_like(r, EXP_TERMS[0])
    for term in EXP_TERMS[1:]:
        y = y * r + term
    scale = ((n.astype(np.int32) + 127) << 23).view(np.float32)
    result: Floats = y * scale
    return result


def log_from_one(x: Floats) -> Floats:
    """Natural logarithm of float32 values >= 1, within 2 ulp of the larger of it and 1."""
    bits = x.view(np.int32)
    exponent = ((bits - 0x3F3504F3) >> 23).astype(np.int32)
    mantissa = (bits - (exponent << 23)).view(np.float32)
    s = (mantissa - F32(1)) / (mantissa + F32(1))
    z = s * s
    y = np.full_like(z, LOG_TERMS[0])
    for term in LOG_TERMS[1:]:
        y = y * z + term
    e = exponent.astype(np.float32)
    result: Floats = e * LN2_HIGH + (y * s + e * LN2_LOW)
    return result


def float_input(node: Node) -> bool:
    """input and output must be float32."""
    return node.input(0).dtype is DType.FLOAT32 and node.output.dtype is DType.FLOAT32


class LogSoftmax(OpSpec):
    """Input x [..,C] in float32: x - max - log(sum(exp(x - max)))."""

    name = "log_softmax"
    summary = "log-softmax over the last axis, float32"
    tflite = ("LOG_SOFTMAX",)
    rewrite = "end the model at the logits"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (float_input,)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        x: Floats = inputs[0].astype(np.float32)
        centred = x - x.max(axis=-1, keepdims=True)
        # A running sum, in the order of the kernel; np.sum adds pairwise.
        total = np.cumsum(exp_of_negative(centred), axis=-1, dtype=np.float32)[..., -1:]
        return [centred - log_from_one(np.ascontiguousarray(total))]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        raise ValueError("log_softmax takes float32")

    def cases(self) -> Iterable[Case]:
        for index, (shape, spread) in enumerate([((1, 10), 5.0), ((3, 17), 60.0), ((1, 300), 0.5), ((2, 1), 1.0)]):
            rng = np.random.default_rng(1400 + index)
            x, y = Value("x", shape, DType.FLOAT32), Value("y", shape, DType.FLOAT32)
            data = rng.normal(0, spread, shape).astype(np.float32)
            yield Case(f"c{index}", single_node_graph(self.name, [x], [y], {}), ((data,),))
