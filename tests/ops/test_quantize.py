"""Conversions between numbers and codes refuse operands that are not what they should be, each with its reason."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import UnsupportedModel
from edgekit.ir import DType, Graph, Node, QuantType, Value
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise

TENTH, CHANNELS = QuantType.per_tensor(0.1, 3), QuantType((0.1, 0.2), (0, 0), 1)
ZERO, TINY = QuantType.per_tensor(0.0, 0), QuantType.per_tensor(1e-9, 0)
F32, I8, U8, I16, I32 = DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("op", "x", "y", "reason"), [
    ("quantize", (I32, None), (I8, TENTH), "must be float32 numbers; cast"),
    ("quantize", (I8, TENTH), (I8, TENTH), "must be float32 numbers; cast"),
    ("quantize", (DType.FLOAT64, None), (I8, TENTH), "must be float32 numbers; cast"),
    ("quantize", (F32, None), (I8, None), "output must be int8 or int16 codes|without a scale"),
    ("quantize", (F32, None), (I16, ZERO), "output must be int8 or int16 codes|scale no trained model"),
    ("quantize", (F32, None), (U8, TENTH), "output must be int8 or int16 codes"),
    ("quantize", (F32, None), (I8, CHANNELS), "output must be int8 or int16 codes|per channel"),
    ("dequantize", (I8, None), (F32, None), "input must be int8 or int16 codes"),
    ("dequantize", (I32, TENTH), (F32, None), "input must be int8 or int16 codes"),
    ("dequantize", (F32, None), (F32, None), "input must be int8 or int16 codes"),
    ("dequantize", (I8, CHANNELS), (F32, None), "input must be int8 or int16 codes|per channel"),
    ("dequantize", (I8, TENTH), (I8, TENTH), "output must be float32 numbers"),
    ("requantize", (I8, TENTH), (I8, None), "both sides must be codes|without a scale"),
    ("requantize", (I32, TENTH), (I8, TENTH), "both sides must be codes"),
    ("requantize", (U8, TENTH), (I16, TENTH), "both sides must be codes"),
    ("requantize", (F32, None), (I8, TENTH), "both sides must be codes"),
    ("requantize", (I8, TENTH), (U8, TINY), r"below 2\*\*22 times"),
    ("requantize", (I16, TENTH), (I8, TINY), r"2\*\*14 times"),
])  # fmt: skip
def test_odd_operands_are_refused(
    op: str, x: tuple[DType, QuantType | None], y: tuple[DType, QuantType | None], reason: str, constant: bool
) -> None:
    shape = (3, 2)
    source = Value("x", shape, *x)
    if constant:
        source.data = np.ones(shape, x[0].numpy)
    result = Value("y", shape, *y)
    flat = Value("flat", (6,), *y)
    nodes = [Node(op, "odd", [source], [result], {}), Node("reshape", "flatten", [result], [flat], {"shape": (6,)})]
    graph = optimise(Graph("g", [] if constant else [source], [flat], nodes))
    with pytest.raises(UnsupportedModel, match=f"layer 'odd' \\({op}\\).*({reason})"):
        require_supported_graph(graph)
