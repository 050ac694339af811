"""Elementwise functions that exporters spell out: GELU by erf or tanh, SiLU, sigmoid by exp, Mish, softplus, rsqrt."""

from __future__ import annotations

import functools

import numpy as np

from edgekit.ir import Array, Graph
from edgekit.ops import spec_of
from edgekit.ops.unary import Unary
from edgekit.passes.base import Pass
from edgekit.passes.regions import Region, evaluate, regions, replace_region, turns

# What all spellings of the functions below have one of, and none more than three of.
_CURVES = ("erf", "tanh", "sigmoid", "exp", "relu6", "clip", "hard_sigmoid", "sqrt", "power", "softplus")
_MOST_CURVES = 3
_KNOWN: tuple[tuple[str, dict[str, float]], ...] = (
    ("gelu", {}),
    ("gelu_tanh", {}),
    ("silu", {"alpha": 1.0}),
    ("silu", {"alpha": 1.702}),
    ("sigmoid", {}),
    ("mish", {}),
    ("softplus", {}),
    ("hard_swish", {}),
    ("rsqrt", {}),
)
# Constants are rounded in files, some to a few digits (1.4142, 0.79788). The nearest two functions differ by 4e-4.
TOLERANCE = 2e-5
_POINTS = np.linspace(-12.0, 12.0, 193)
# Where functions are on their way to infinity, and float64 is not there yet.
_FAR = (16.0, 30.0, 100.0, 300.0)


class RecogniseFunctions(Pass):
    """x * 0.5 * (1 + erf(x / sqrt(2))) becomes gelu(x), and so on for all known functions, in any spelling.

    Requires nothing. Ensures that no region of unquantized arithmetic computes a known function of its source.
    """

    name = "recognise-functions"

    def run(self, graph: Graph) -> bool:
        changed = False
        for region in regions(graph, _CURVES):
            found = _function_of(region) if region.count(_CURVES) <= _MOST_CURVES else None
            if found is not None:
                replace_region(graph, region, found[0], [], dict(found[1]))
                changed = True
        return changed


def _function_of(region: Region) -> tuple[str, dict[str, float]] | None:
    """(operator, attributes) of the function that a region computes, element by element."""
    if sum(node.op != "reshape" for node in region.nodes) < 2:
        return None
    columns = region.source.shape[-1]
    rows = np.resize(_POINTS, (-(-len(_POINTS) // columns), columns))
    result = evaluate(region, rows)
    if result is None or result.shape != rows.shape:
        return None
    flat = result.reshape(-1)
    for index in np.flatnonzero(_close(flat[: len(_POINTS)], _wanted()).all(axis=1)).tolist():
        # Longer rows have the points several times, and columns may have constants of their own.
        if _close(flat, np.resize(_wanted()[index], flat.shape)).all() and _same_beyond(region, *_KNOWN[index]):
            return _KNOWN[index]
    return None


def _same_beyond(region: Region, op: str, attributes: dict[str, float]) -> bool:
    """Whether a region is a function around and beyond the constants at which it may change, too."""
    found, columns, spec = turns(region), region.source.shape[-1], spec_of(op)
    if not len(found):
        return True
    assert isinstance(spec, Unary)
    ends = np.concatenate([found * factor for factor in (0.999, 1.001, 2.0, 10.0)] + [np.array(_FAR)])
    points = np.concatenate([ends, -ends])
    rows = np.repeat(points[:, None], columns, axis=1)
    result = evaluate(region, rows)
    with np.errstate(all="ignore"):
        return result is not None and bool(_close(result, spec.real(rows, **attributes)).all())


def _close(values: Array, wanted: Array) -> Array:
    # Poles, and what is no number, are where the function has them.
    return np.isclose(values, wanted, TOLERANCE, TOLERANCE, equal_nan=True)


@functools.cache
def _wanted() -> Array:
    """float64 [K, P]: the values of the known functions at all points."""
    specs = [(spec_of(op), attributes) for op, attributes in _KNOWN]
    with np.errstate(all="ignore"):
        return np.array([spec.real(_POINTS, **attributes) for spec, attributes in specs if isinstance(spec, Unary)])
