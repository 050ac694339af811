"""Integer graph -> Program. One rule per operator, in files by family; `RULES` lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgekit.codegen.integration import USUAL_TRICKS, Group, Layer, RowChain, Tricks, integrate, layers_of
from edgekit.codegen.lowering.arithmetic import lower_arithmetic, lower_pow
from edgekit.codegen.lowering.attention import lower_attention
from edgekit.codegen.lowering.context import LoweringContext, Target
from edgekit.codegen.lowering.convolution import lower_conv2d, lower_depthwise_conv2d, lower_fully_connected
from edgekit.codegen.lowering.elementwise import (
    lower_dequantize,
    lower_log_softmax,
    lower_quantize,
    lower_requantize,
    lower_softmax,
    lower_unary,
)
from edgekit.codegen.lowering.indexing import (
    lower_arg,
    lower_bitcast,
    lower_cumulate,
    lower_det,
    lower_gather_elements,
    lower_gather_nd,
    lower_scatter_elements,
    lower_scatter_nd,
    lower_top_k,
)
from edgekit.codegen.lowering.integer import INTEGER_RULES
from edgekit.codegen.lowering.integer_recurrent import lower_int_lstm, lower_svdf
from edgekit.codegen.lowering.integrated import lower_row_chain
from edgekit.codegen.lowering.movement import (
    lower_concat,
    lower_expand,
    lower_gather,
    lower_nothing,
    lower_pad,
    lower_reshape,
    lower_resize_nearest,
    lower_slice,
    lower_tile,
    lower_transpose,
)
from edgekit.codegen.lowering.plain import (
    lower_cast,
    lower_matmul,
    lower_plain_binary,
    lower_plain_unary,
    lower_reduce,
    lower_where,
)
from edgekit.codegen.lowering.pooling import lower_mean, lower_pool
from edgekit.codegen.lowering.recurrent import lower_recurrent
from edgekit.codegen.lowering.row_statistics import ROW_STATISTICS_RULES
from edgekit.codegen.lowering.sampling import (
    lower_col2im,
    lower_deform_conv,
    lower_grid_sample,
    lower_roi_align,
)
from edgekit.codegen.lowering.spatial import (
    lower_conv,
    lower_layer_norm,
    lower_max_unpool,
    lower_resample,
    lower_spatial_pool,
)
from edgekit.codegen.lowering.streamed import lower_stream
from edgekit.codegen.program import Port, Program
from edgekit.codegen.streaming.stream import Stream
from edgekit.errors import UnsupportedModel
from edgekit.ir import Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.arithmetic import ARITHMETIC_OPS
from edgekit.ops.binary import PLAIN_BINARY_OPS
from edgekit.ops.recurrent import RECURRENT_OPS
from edgekit.ops.reduce import REDUCE_OPS
from edgekit.ops.spec import require_supported
from edgekit.ops.unary import PREDICATE_OPS, UNARY_OPS

Rule = Callable[[Node, LoweringContext], None]

RULES: dict[str, Rule] = {
    "conv2d": lower_conv2d,
    "depthwise_conv2d": lower_depthwise_conv2d,
    "fully_connected": lower_fully_connected,
    "conv": lower_conv,
    "conv_transpose": lower_conv,
    "matmul": lower_matmul,
    **{spec.name: lower_arithmetic for spec in ARITHMETIC_OPS},
    **{spec.name: lower_plain_binary for spec in PLAIN_BINARY_OPS},
    "pow": lower_pow,
    **{spec.name: lower_reduce for spec in REDUCE_OPS},
    **{spec.name: lower_plain_unary for spec in PREDICATE_OPS},
    "where": lower_where,
    "cast": lower_cast,
    "avg_pool2d": lower_pool,
    "max_pool2d": lower_pool,
    "avg_pool": lower_spatial_pool,
    "max_pool": lower_spatial_pool,
    "max_unpool": lower_max_unpool,
    "mean": lower_mean,
    "layer_norm": lower_layer_norm,
    "softmax": lower_softmax,
    "log_softmax": lower_log_softmax,
    **{spec.name: lower_unary for spec in UNARY_OPS},
    "reshape": lower_reshape,
    "transpose": lower_transpose,
    "concat": lower_concat,
    "slice": lower_slice,
    "expand": lower_expand,
    "tile": lower_tile,
    "pad": lower_pad,
    "gather": lower_gather,
    "arg_max": lower_arg,
    "arg_min": lower_arg,
    "top_k": lower_top_k,
    "cum_sum": lower_cumulate,
    "cum_prod": lower_cumulate,
    "gather_elements": lower_gather_elements,
    "gather_nd": lower_gather_nd,
    "scatter_elements": lower_scatter_elements,
    "scatter_nd": lower_scatter_nd,
    "det": lower_det,
    "bitcast": lower_bitcast,
    **{spec.name: lower_recurrent for spec in RECURRENT_OPS},
    "resize_nearest": lower_resize_nearest,
    "resample": lower_resample,
    "grid_sample": lower_grid_sample,
    "deform_conv": lower_deform_conv,
    "roi_align": lower_roi_align,
    "col2im": lower_col2im,
    "quantize": lower_quantize,
    "dequantize": lower_dequantize,
    "requantize": lower_requantize,
    **INTEGER_RULES,
    **ROW_STATISTICS_RULES,
    "int_lstm": lower_int_lstm,
    "svdf": lower_svdf,
}


class Lowering:
    """A graph whose layers are matched once, to be lowered with any amounts of scratch.

    Args:
        floats: arithmetic in floats is allowed.
        tricks: how programs save memory.
        groups: nodes that run as one layer; None integrates all that can be, where `tricks` say so.
        fewest_cycles: kernels may take more instructions for fewer cycles.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        floats: bool = False,
        tricks: Tricks = USUAL_TRICKS,
        groups: Sequence[Group] | None = None,
        fewest_cycles: bool = False,
    ) -> None:
        self._graph, self._target, self._floats, self._tricks = graph, target, floats, tricks
        self._fewest_cycles = fewest_cycles
        usual = integrate(graph) if tricks.integration else ()
        self._layers = layers_of(graph, usual if groups is None else groups)

    @property
    def layers(self) -> Sequence[Layer]:
        """What runs as one, in the order of the program; a layer that only renames has no step."""
        return self._layers

    def program(self, room: Sequence[int] = ()) -> Program:
        """The program; `room` are bytes of scratch that each step may take, where it is faster with more.

        Raises UnsupportedModel naming every layer that no kernel computes; arithmetic in floats counts as such, unless
        it is allowed.
        """
        graph = self._graph
        ctx = LoweringContext(self._target, room, self._tricks.overwriting, self._fewest_cycles)
        problems: list[str] = []
        inputs = [_port(value, ctx, "input") for value in graph.inputs]
        positions = {node: position for position, node in enumerate(graph.nodes)}
        for layer in self._layers:
            try:
                if isinstance(layer, Node):
                    _lower_node(layer, positions[layer], ctx, self._floats)
                else:
                    _lower_group(layer, positions[layer.last], ctx)
            except UnsupportedModel as error:
                problems.append(str(error))
            if isinstance(layer, Stream) and layer.image is not None:
                index = graph.inputs.index(layer.image)
                inputs[index] = replace(inputs[index], row_axis=layer.row_axis)
        require_supported(problems)
        outputs = [_port(value, ctx, "output") for value in graph.outputs]
        return Program(graph.name, ctx.steps, ctx.buffers, ctx.constants, ctx.params, inputs, outputs)


def lower(
    graph: Graph,
    target: Target,
    floats: bool = False,
    room: Sequence[int] = (),
    tricks: Tricks = USUAL_TRICKS,
    groups: Sequence[Group] | None = None,
) -> Program:
    """One program of a graph; arguments and errors as of `Lowering`."""
    return Lowering(graph, target, floats, tricks, groups).program(room)


def _lower_node(node: Node, position: int, ctx: LoweringContext, floats: bool) -> None:
    """One node as a step of its own, or none where it only renames a buffer."""
    if _only_renames(node):
        ctx.alias(node.output, node.input(0))
        return
    if not floats:
        _require_codes(node)
    ctx.begin(node.name, node.op, spec_of(node.op).macs(node), position, (node.name,))
    if any(value.elements for value in node.outputs):
        RULES[node.op](node, ctx)
    else:
        lower_nothing(node, ctx)
    ctx.steps[-1].results = [ctx.buffer(value) for value in node.outputs]


def _lower_group(group: Group, position: int, ctx: LoweringContext) -> None:
    """Several nodes as one step, which leaves the outputs of the last one."""
    macs, names = sum(spec_of(n.op).macs(n) for n in group.nodes), tuple(n.name for n in group.nodes)
    ctx.begin(group.last.name, group.name, macs, position, names)
    if isinstance(group, RowChain):
        lower_row_chain(group, ctx, RULES)
    elif isinstance(group, Stream):
        lower_stream(group, ctx, RULES)
    else:
        lower_attention(group, ctx, RULES)
    ctx.steps[-1].results = [ctx.buffer(group.last.output)]


def _only_renames(node: Node) -> bool:
    """Whether the output can be its input's buffer; a constant has none, so that its reshape is copied."""
    return node.op == "reshape" and not node.input(0).is_constant


def _require_codes(node: Node) -> None:
    floats = [v for v in (*node.inputs, *node.outputs) if v is not None and v.dtype.is_float and not v.is_constant]
    if floats and node.op not in ("quantize", "dequantize", "log_softmax"):
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}) computes in float32 inside a quantized model; quantize it too"
        )


def _port(value: Value, ctx: LoweringContext, kind: str) -> Port:
    buffer = ctx.buffer(value)
    if buffer.kind == "activation":
        buffer.kind = kind
    scale, zero = (value.quant.scale[0], value.quant.zero_point[0]) if value.quant is not None else (None, None)
    return Port(value.name, buffer, value.dtype.c_name, value.dtype.value, value.shape, scale, zero)


__all__ = ["Lowering", "Target", "lower"]
