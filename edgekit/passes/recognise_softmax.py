"""Softmax that exporters spell out by exponentials and their sum, with or without the subtraction of the maximum."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Graph
from edgekit.passes.base import Pass
from edgekit.passes.regions import Region, evaluate, regions, replace_region, rows_beyond, sample_rows

TOLERANCE = 1e-6


class RecogniseSoftmax(Pass):
    """exp(x - max(x)) / sum(exp(x - max(x))) becomes softmax(x).

    Requires nothing. Ensures that no region of unquantized arithmetic computes the softmax of its source's last axis.
    """

    name = "recognise-softmax"

    def run(self, graph: Graph) -> bool:
        changed = False
        for region in regions(graph, ["exp"], ["reduce_sum"]):
            if _is_softmax(region):
                replace_region(graph, region, "softmax", [], {"beta": 1.0})
                changed = True
        return changed


def _is_softmax(region: Region) -> bool:
    if region.source.shape[-1] < 2:
        return False
    columns = region.source.shape[-1]
    rows = np.concatenate([sample_rows(4, columns), rows_beyond(region, columns)])
    result = evaluate(region, rows)
    if result is None or result.shape != rows.shape:
        return False
    terms = np.exp(rows - rows.max(axis=1, keepdims=True))
    # Not a number, of exponentials that are infinite, is no softmax.
    return bool(np.abs(result - terms / terms.sum(axis=1, keepdims=True)).max() <= TOLERANCE)
