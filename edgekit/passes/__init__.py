"""Rewrites of the graph: fold, fuse, canonicalise. `PASSES` is the ordered list; there is no other registration."""

from __future__ import annotations

from edgekit.errors import InternalError
from edgekit.ir import Graph
from edgekit.ops.verify import verify_graph
from edgekit.passes.base import Pass
from edgekit.passes.common_subexpressions import MergeDuplicates
from edgekit.passes.constant_add import AddOfConstantToAffine
from edgekit.passes.dead_code import RemoveDeadCode
from edgekit.passes.flatten_to_weights import FoldTransposeIntoFullyConnected
from edgekit.passes.float_weights import DequantizeStoredWeights
from edgekit.passes.fold_affine import FoldAffineIntoProducer
from edgekit.passes.fold_affine_forward import FoldAffineIntoReader
from edgekit.passes.fold_constants import FoldConstants
from edgekit.passes.fold_padding import FoldPadding
from edgekit.passes.fuse_activation import FuseActivation
from edgekit.passes.hoist_unary import HoistUnary
from edgekit.passes.merge_transposes import MergeTransposes
from edgekit.passes.reshapes import MergeReshapes
from edgekit.passes.sink_transposes import SinkTransposes
from edgekit.passes.transpose_reshape import SinkTransposeBelowReshape

PASSES: tuple[Pass, ...] = (
    RemoveDeadCode(),
    DequantizeStoredWeights(),
    FoldConstants(),
    AddOfConstantToAffine(),
    MergeTransposes(),
    MergeReshapes(),
    HoistUnary(),
    SinkTransposes(),
    SinkTransposeBelowReshape(),
    FoldTransposeIntoFullyConnected(),
    MergeDuplicates(),
    FoldPadding(),
    FoldAffineIntoProducer(),
    FuseActivation(),
    FoldAffineIntoReader(),
    RemoveDeadCode(),
)

__all__ = ["PASSES", "Pass", "optimise"]


def optimise(graph: Graph) -> Graph:
    """Run all passes, in place and in order, until none changes anything; the graph is verified after each.

    Raises InternalError where a pass breaks the graph, or where the passes do not come to rest.
    """
    for _ in range(16 + len(graph.nodes)):
        changed = False
        for step in PASSES:
            if step.run(graph):
                changed = True
                verify_graph(graph, step.name)
        if not changed:
            return graph
    raise InternalError("the passes do not come to rest")
