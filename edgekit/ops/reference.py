"""Run a graph by its numpy reference: the definition of every result that the firmware must equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.ir import Array, Graph, Value
from edgekit.ops import spec_of


def run_reference(graph: Graph, inputs: Sequence[Array], exact: bool = True) -> dict[Value, Array]:
    """All values of one execution, constants left out.

    `inputs` are one array per graph input, of exactly its shape and dtype. `exact` False is quicker and may round
    floats differently from the firmware.
    """
    values: dict[Value, Array] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        operands = [None if v is None else (v.array if v.is_constant else values[v]) for v in node.inputs]
        for value, array in zip(node.outputs, spec_of(node.op).reference(node, operands, exact), strict=True):
            values[value] = array
    return values


def same_numbers(got: Array, want: Array) -> bool:
    """Whether two arrays of one type have the same bits; any NaN is like any other, whose bits differ by processor."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return False
    if got.tobytes() == want.tobytes():
        return True
    if got.dtype.kind != "f":
        return False
    bits = f"u{got.dtype.itemsize}"
    same = got.reshape(-1).view(bits) == want.reshape(-1).view(bits)
    return bool((same | (np.isnan(got) & np.isnan(want)).reshape(-1)).all())
