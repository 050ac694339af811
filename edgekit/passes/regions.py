"""Parts of a graph that compute one tensor from one other: what passes recognise by its results, however written.

Exporters spell layer normalization, GELU or softmax in many ways. Instead of one pattern per spelling, a region is
evaluated on sample rows and compared with the operator that it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.spec import real_constant
from edgekit.ops.unary import UNARY_OPS, Unary
from edgekit.passes.affine import is_pointwise_affine
from edgekit.passes.base import add_node, replace_node

# No known spelling has more steps, nor more reshapes around each than two; the search ends there.
MAX_STEPS = 14
# Rows that are longer are no normalization in int8 either, and would make the evaluation slow.
MAX_COLUMNS = 1 << 15

_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "less": np.less,
    "less_equal": np.less_equal,
}
_REDUCTIONS: dict[str, Callable[..., Array]] = {"mean": np.mean, "reduce_sum": np.sum, "reduce_max": np.max}
# Operators with one formula for all numbers, at least on one side of zero; the others may have steps or corners.
_SMOOTH = frozenset({
    "add", "sub", "mul", "div", "pow", "power", "mean", "reduce_sum", "reduce_max", "reshape", "neg", "square", "exp",
    "log", "sqrt", "rsqrt", "reciprocal", "erf", "tanh", "sigmoid", "softplus", "softsign", "gelu", "gelu_tanh", "silu",
    "mish", "sin", "cos", "atan", "sinh", "cosh", "asinh",
})  # fmt: skip
_MOST_TURNS, _LARGEST = 16, 1e30
_FUNCTIONS = tuple(spec.name for spec in UNARY_OPS)


@dataclass(frozen=True)
class Region:
    """Nodes that compute `output` from `source` and constants, in graph order; nothing else reads what is between.

    All values are float32, or int8 in a quantized model that leaves what is between without scales.
    """

    source: Value
    nodes: tuple[Node, ...]

    @property
    def output(self) -> Value:
        return self.nodes[-1].output

    def count(self, ops: Sequence[str]) -> int:
        """How many of its nodes have one of these operators."""
        return sum(node.op in ops for node in self.nodes)

    @property
    def is_real(self) -> bool:
        """Whether it computes real numbers, from rows of a moderate length."""
        shape, kind = self.source.shape, self.source.dtype
        quantized = self.source.quant is not None or self.output.quant is not None
        real = kind is DType.FLOAT32 or (kind is DType.INT8 and quantized)
        rows = self.source.elements > 0 and bool(shape) and shape[-1] <= MAX_COLUMNS
        return real and rows and all(node.output.dtype in (kind, DType.BOOL) for node in self.nodes)


def regions(graph: Graph, *wanted: Sequence[str]) -> Iterator[Region]:
    """All regions of float arithmetic that have of each of `wanted` at least one operator.

    By root from the end of the graph, for each root from large to small: large ones come first because layer_norm and
    softmax do not change where a mean or a maximum was subtracted before. The graph may be rewritten after a region
    was taken; regions of nodes that are gone are not given.
    """
    present = {node.op for node in graph.nodes}
    if not all(present.intersection(ops) for ops in wanted):
        return
    order = {node: index for index, node in enumerate(graph.nodes)}
    for root in reversed(list(graph.nodes)):
        if len(root.outputs) == 1 and root.output.producer is root and root.op != "reshape" and is_arithmetic(root):
            for region in reversed(_regions_of(graph, root, order)):
                if root.output.producer is root and all(map(region.count, wanted)) and region.is_real:
                    yield region


def _regions_of(graph: Graph, root: Node, order: Mapping[Node, int]) -> list[Region]:
    """The regions that end in `root`, each inside the next."""
    found: list[Region] = []
    inside, steps = {root: None}, 1
    sources = _sources_of(root)
    while True:
        growing = [v.producer for v in sources if v.producer is not None and _may_be_between(v)]
        if not growing:
            return found
        # The latest node cannot feed the other sources, so the source of all of them is never passed. What it feeds
        # comes later still: a reader that is not inside by now never will be.
        latest = max(growing, key=order.__getitem__)
        if graph.is_output(latest.output) or any(reader not in inside for reader, _ in latest.output.uses):
            return found
        inside[latest] = None
        steps += latest.op != "reshape"
        if steps > MAX_STEPS or len(inside) > 3 * MAX_STEPS:
            return found
        del sources[latest.output]
        sources |= _sources_of(latest)
        if len(sources) == 1:
            found.append(Region(next(iter(sources)), tuple(reversed(inside))))


def _sources_of(node: Node) -> dict[Value, None]:
    return {v: None for v in node.inputs if v is not None and not v.is_constant}


def _may_be_between(value: Value) -> bool:
    return value.quant is None and value.producer is not None and is_arithmetic(value.producer)


def is_arithmetic(node: Node) -> bool:
    """Whether `evaluate` may know the operator."""
    known = node.op in _BINARY or node.op in _REDUCTIONS or node.op in _FUNCTIONS or node.op in ("reshape", "where")
    return (known or is_pointwise_affine(node)) and node.attrs.get("activation", "none") == "none"


def evaluate(region: Region, rows: Array) -> Array | None:
    """float64 [K, C] or [K, 1] of the region's output on rows [K, C] of the source; None for no function of rows.

    C is the source's last axis. Each row stands for any one of the source's own.
    """
    return evaluate_nodes(region.nodes, region.source, {region.source: rows})


def evaluate_nodes(nodes: Sequence[Node], source: Value, given: Mapping[Value, Array]) -> Array | None:
    """`evaluate` of nodes with several sources: `given` are rows of `source`, and numbers [K, 1] of others per row."""
    known, columns, count = dict(given), source.shape[-1], len(given[source])
    with np.errstate(all="ignore"):
        for node in nodes:
            result = _result(node, known, columns)
            # Elements say whether a value has a whole row or one number per row.
            if result is None or len(result) != count:
                return None
            if result.shape[1] * source.elements != node.output.elements * columns:
                return None
            known[node.output] = result
    return known[nodes[-1].output]


def _result(node: Node, known: dict[Value, Array], columns: int) -> Array | None:
    x = known.get(node.input(0))
    if node.op == "reshape":
        return x
    if node.op in _REDUCTIONS:
        return None if x is None else _reduced(node, x)
    if node.op in _FUNCTIONS:
        spec = spec_of(node.op)
        assert isinstance(spec, Unary)
        return None if x is None else np.asarray(spec.real(x, **spec.arguments(node)), np.float64)
    if node.op in _BINARY:
        return _joined(node, known, columns)
    if node.op == "where":
        return _chosen(node, known, columns)
    operands = [_row(real_constant(v), columns) for v in node.inputs[1:] if v is not None]
    if x is None or any(row is None for row in operands):
        return None
    scaled = x * operands[0]
    return scaled if len(operands) < 2 else scaled + operands[1]


def _reduced(node: Node, x: Array) -> Array | None:
    shape = node.input(0).shape
    if tuple(node.attrs["axes"]) != (len(shape) - 1,) or shape[-1] != x.shape[1]:
        return None
    return _REDUCTIONS[node.op](x, axis=1, keepdims=True)


def _joined(node: Node, known: dict[Value, Array], columns: int) -> Array | None:
    """A function of two operands, constants or computed; of two computed ones one may have one number per row."""
    first, second = (
        _row(real_constant(v), columns) if v.is_constant else known.get(v) for v in (node.input(0), node.input(1))
    )
    computed = [v for v in (node.input(0), node.input(1)) if not v.is_constant]
    shapes = {v.shape for v in computed}
    by_rows = {v.shape[:-1] for v in computed}, {v.shape[-1:] for v in computed}
    if (
        first is None
        or second is None
        or (len(shapes) > 1 and by_rows != ({node.output.shape[:-1]}, {(1,), (columns,)}))
    ):
        return None
    return np.asarray(_BINARY[node.op](first, second))


def _chosen(node: Node, known: dict[Value, Array], columns: int) -> Array | None:
    """One of two numbers by a condition, all of one shape but for constants."""
    if any(not v.is_constant and v.shape != node.output.shape for v in node.inputs if v is not None):
        return None
    condition, chosen, other = (
        _row(real_constant(v), columns) if v.is_constant else known.get(v) for v in map(node.input, range(3))
    )
    if condition is None or chosen is None or other is None:
        return None
    return np.where(condition, chosen, other)


def _row(constant: Array, columns: int) -> Array | None:
    """float64 [1, 1] or [1, columns] of a constant that is one number, or one per column."""
    flat = constant.astype(np.float64).reshape(-1)
    if flat.size == columns and constant.shape[-1:] == (columns,):
        return flat.reshape(1, -1)
    return flat[:1].reshape(1, 1) if flat.size and (flat == flat[0]).all() else None


def sample_rows(count: int, columns: int) -> Array:
    """float64 [count, columns], the same at each call: rows of large numbers, and of some where an epsilon shows."""
    rng = np.random.default_rng(0)
    rows: Array = rng.normal(0.0, 1.0, (count, columns)) * np.geomspace(1e-3, 4.0, count)[:, None]
    return rows + rng.normal(0.0, 1.0, (count, 1))


def turns(region: Region) -> Array:
    """float64 [K] magnitudes at which a region may change its formula: its constants, where it has any operator that
    is not smooth; where it has many, the least and the largest. Beyond them it must be looked at, too.
    """
    if all(node.op in _SMOOTH or is_pointwise_affine(node) for node in region.nodes):
        return np.zeros(0)
    given = [real_constant(v) for node in region.nodes for v in node.inputs if v is not None and v.is_constant]
    given += [np.array(float(v)) for node in region.nodes for v in node.attrs.values() if isinstance(v, (int, float))]
    found = np.unique(np.abs(np.concatenate([np.ravel(np.asarray(v, np.float64)) for v in given] or [np.zeros(0)])))
    found = found[(found > 0) & (found < _LARGEST)]
    return found if len(found) <= _MOST_TURNS else found[[0, -1]]


def rows_beyond(region: Region, columns: int) -> Array:
    """float64 [K, columns] rows as large as the region's `turns`, and larger; none where it has one formula."""
    scales = np.concatenate([turns(region) * factor for factor in (1.0, 3.0, 30.0)])
    rows: Array = np.random.default_rng(1).normal(0.0, 1.0, (len(scales), columns)) * scales[:, None]
    return rows


def replace_region(graph: Graph, region: Region, op: str, inputs: list[Value], attrs: dict[str, object]) -> None:
    """One node of the source and further `inputs` in place of the region; it takes over the root's name."""
    root, output = region.nodes[-1], region.output
    made = add_node(graph, root, op, root.name, [region.source, *inputs], attrs, output)
    if made.shape != output.shape:
        made = add_node(graph, root, "reshape", f"{root.name} reshape", [made], {"shape": output.shape}, output)
    replace_node(graph, root, made)
    for node in reversed(region.nodes[:-1]):
        graph.remove(node)
