"""Rewrites of the graph: recognise, fold, fuse, canonicalise. `PASSES` is the ordered list; nothing else registers."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.errors import InternalError
from edgekit.ir import Graph
from edgekit.ops.verify import verify_graph
from edgekit.passes.attention_scale import FoldScaleIntoSoftmax
from edgekit.passes.base import Pass
from edgekit.passes.common_subexpressions import MergeDuplicates
from edgekit.passes.constant_add import AddOfConstantToAffine
from edgekit.passes.constant_matmul import MatmulOfConstant
from edgekit.passes.dead_channels import RemoveDeadChannels
from edgekit.passes.dead_code import RemoveDeadCode
from edgekit.passes.flatten_to_weights import FoldTransposeIntoFullyConnected
from edgekit.passes.float_weights import DequantizeStoredWeights
from edgekit.passes.fold_affine import FoldAffineIntoProducer
from edgekit.passes.fold_affine_forward import FoldAffineIntoReader
from edgekit.passes.fold_constants import FoldConstants
from edgekit.passes.fold_padding import FoldPadding
from edgekit.passes.fuse_activation import FuseActivation
from edgekit.passes.hoist_slice import GatherToSlice, HoistSlice
from edgekit.passes.hoist_unary import HoistUnary
from edgekit.passes.mask_scores import MaskScoresByAdding
from edgekit.passes.merge_sums import MergeConstantSums
from edgekit.passes.merge_transposes import MergeTransposes
from edgekit.passes.nan_guard import DropNanGuards
from edgekit.passes.recognise_functions import RecogniseFunctions
from edgekit.passes.recognise_norms import RecogniseNorms
from edgekit.passes.recognise_row_statistics import RecogniseRowStatistics
from edgekit.passes.recognise_softmax import RecogniseSoftmax
from edgekit.passes.reshapes import MergeReshapes
from edgekit.passes.sink_transposes import SinkTransposes
from edgekit.passes.split_product import SplitProduct
from edgekit.passes.transpose_matmul import FoldTransposeIntoMatmul
from edgekit.passes.transpose_reshape import SinkTransposeBelowReshape
from edgekit.passes.unordered_affine import DropTransposesAroundScale

# What may run before all quantizations are known.
REWRITES: tuple[Pass, ...] = (
    RemoveDeadCode(),
    DequantizeStoredWeights(),
    FoldConstants(),
    DropTransposesAroundScale(),
    RecogniseNorms(),
    RecogniseRowStatistics(),
    RecogniseSoftmax(),
    RecogniseFunctions(),
    MaskScoresByAdding(),
    DropNanGuards(),
    MergeConstantSums(),
    FoldScaleIntoSoftmax(),
    AddOfConstantToAffine(),
    MergeTransposes(),
    MergeReshapes(),
    GatherToSlice(),
    HoistSlice(),
    SplitProduct(),
    MatmulOfConstant(),
    FoldTransposeIntoMatmul(),
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
PASSES: tuple[Pass, ...] = (*REWRITES, RemoveDeadChannels())

__all__ = ["PASSES", "REWRITES", "Pass", "optimise", "remove_dead_channels", "run_to_rest"]


def optimise(graph: Graph) -> Graph:
    """Run all passes, in place and in order, until none changes anything; the graph is verified after each.

    Raises InternalError where a pass breaks the graph, or where the passes do not come to rest.
    """
    return run_to_rest(graph, PASSES)


def remove_dead_channels(graph: Graph) -> Graph:
    """Only that pass, of a graph that was optimised before it was quantized. In place; raises as `optimise`."""
    return run_to_rest(graph, (RemoveDeadChannels(),))


def run_to_rest(graph: Graph, passes: Sequence[Pass]) -> Graph:
    """`optimise` by other passes."""
    for _ in range(16 + len(graph.nodes)):
        changed = False
        for step in passes:
            if step.run(graph):
                changed = True
                verify_graph(graph, step.name)
        if not changed:
            return graph
    raise InternalError("the passes do not come to rest")
