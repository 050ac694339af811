"""Layer and RMS normalization that exporters spell out by means, with scale and bias."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, Graph, Value
from edgekit.ops.spec import real_constant
from edgekit.passes.base import Pass
from edgekit.passes.regions import Region, evaluate, regions, replace_region, rows_beyond, sample_rows

_ROWS = 12
# Regions are evaluated in float64: what differs more is another function.
TOLERANCE = 1e-6


class RecogniseNorms(Pass):
    """(x - mean(x)) / sqrt(mean((x - mean(x))^2) + e) * scale + bias becomes layer_norm, in any spelling and order.

    What divides by the root mean square becomes one that is not centred. Requires nothing. Ensures that no region of
    unquantized arithmetic computes a layer_norm of its source's last axis.
    """

    name = "recognise-norms"

    def run(self, graph: Graph) -> bool:
        changed = False
        for region in regions(graph, ["mean"], ["sqrt", "rsqrt", "power"]):
            changed |= _replaced(graph, region)
        return changed


def _replaced(graph: Graph, region: Region) -> bool:
    columns = region.source.shape[-1]
    if columns < 2:
        return False
    rows = sample_rows(_ROWS, columns)
    result = evaluate(region, rows)
    if result is None or result.shape != rows.shape:
        return False
    for epsilon in _offsets(region):
        for centred in (True, False):
            fitted = _fit(_normalized(rows, epsilon, centred), result)
            if fitted is not None and _same_beyond(region, epsilon, centred, *fitted):
                operands = [
                    Value.constant(f"{region.nodes[-1].name} {n}", a)
                    for n, a in zip(("scale", "bias"), fitted, strict=True)
                ]
                attrs: dict[str, object] = {
                    "axis": len(region.source.shape) - 1, "epsilon": epsilon, "centred": centred
                }  # fmt: skip
                replace_region(graph, region, "layer_norm", operands, attrs)
                return True
    return False


def _same_beyond(region: Region, epsilon: float, centred: bool, scale: Array, bias: Array) -> bool:
    """Whether a region is the norm on rows beyond the constants at which it may change, too."""
    rows = rows_beyond(region, region.source.shape[-1])
    result, wanted = evaluate(region, rows), _normalized(rows, epsilon, centred) * scale + bias
    if result is None:
        return False
    limit = TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return bool((np.abs(result - wanted) <= limit).all())


def _offsets(region: Region) -> list[float]:
    """Single positive numbers that the region adds: one of them is the epsilon."""
    added = [
        real_constant(v)
        for node in region.nodes
        for v in (node.inputs if node.op == "add" else node.inputs[2:])
        if v is not None and v.is_constant
    ]
    numbers = [float(a.reshape(-1)[0]) for a in added if a.size and (a == a.reshape(-1)[0]).all()]
    return list(dict.fromkeys(n for n in numbers if n > 0))


def _normalized(rows: Array, epsilon: float, centred: bool) -> Array:
    centred_rows = rows - rows.mean(axis=1, keepdims=True) if centred else rows
    normalized: Array = centred_rows / np.sqrt((centred_rows**2).mean(axis=1, keepdims=True) + epsilon)
    return normalized


def _fit(normalized: Array, result: Array) -> tuple[Array, Array] | None:
    """float32 scale and bias per column that make one of the other; None where none do."""
    middle = normalized.mean(axis=0)
    spread = normalized - middle
    scale = (spread * result).sum(axis=0) / (spread**2).sum(axis=0)
    bias = result.mean(axis=0) - scale * middle
    limit = TOLERANCE * max(1.0, float(np.abs(result).max()))
    if not np.isfinite(result).all() or np.abs(normalized * scale + bias - result).max() > limit:
        return None
    bias = np.where(np.abs(bias) <= limit * 1e-3, 0.0, bias)
    return scale.astype(np.float32), bias.astype(np.float32)
