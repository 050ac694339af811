"""Is every layer of a graph within its operator's constraints?"""

from __future__ import annotations

import numpy as np

from edgekit.ir import DType, Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.spec import check_constraints, is_quantized, require_supported

# Products and quotients of three scales inside stay finite and non-zero in double precision.
MIN_SCALE, MAX_SCALE = 1e-30, 1e30
_EVEN_CODES = "quantize with --activation-quantizer uniform and --activation-bits 8"


def unsupported_layers(graph: Graph) -> list[str]:
    """One text per broken constraint, naming layer (or the model's input or output) and rewrite."""
    broken = _bad_ports(graph) + [text for node in graph.nodes for text in _bad_values(node)]
    # A spec's own constraints may rely on values that make sense.
    return broken or [text for node in graph.nodes for text in check_constraints(node, spec_of(node.op))]


def broken_rules(node: Node) -> list[str]:
    """What keeps one layer from being built: values that make no sense, or else the first constraint it breaks."""
    return _bad_values(node) or check_constraints(node, spec_of(node.op))


def _bad_ports(graph: Graph) -> list[str]:
    """Inputs and outputs whose codes the caller cannot make or read by a scale and zero point alone."""
    inputs = [v.name for v in graph.inputs if v.quant is not None and v.quant.grid is not None]
    outputs = [v.name for v in graph.outputs if v.quant is not None and v.quant.is_coded]
    why, rewrite = "of the model has codes of a power or of 4 bits", "by QuantizeLinear and DequantizeLinear"
    return [
        *(f"input {name!r} {why}; round it {rewrite} first, or {_EVEN_CODES}" for name in inputs),
        *(f"output {name!r} {why}; round it {rewrite} instead, or {_EVEN_CODES}" for name in outputs),
    ]


def _bad_values(node: Node) -> list[str]:
    where = f"layer {node.name!r} ({node.op})"
    broken = []
    for value in (*node.inputs, *node.outputs):
        if value is None or not value.dtype.is_integer:
            continue
        if value.quant is None:
            if value.dtype.size == 1 and is_quantized(node):
                broken.append(
                    f"{where}: tensor {value.name!r} is {value.dtype.value} without a scale; convert the model again"
                )
            continue
        if not all(MIN_SCALE <= scale <= MAX_SCALE for scale in value.quant.scale):
            broken.append(
                f"{where}: tensor {value.name!r} has a scale no trained model has; convert the model again, or, if it "
                "is quantized here, give samples and weights that are neither that small nor that large"
            )
        if value.quant.grid is not None and not _takes_grid(node, value):
            broken.append(
                f"{where}: cannot make or read tensor {value.name!r}, whose codes are those of a power or of 4 bits; "
                f"{_EVEN_CODES}"
            )
        info = np.iinfo(value.dtype.numpy)
        if not value.is_constant and not value.quant.is_per_tensor:
            broken.append(f"{where}: activation {value.name!r} is quantized per channel; quantize it per tensor")
        if any(not info.min <= z <= info.max for z in value.quant.zero_point):
            broken.append(f"{where}: zero point of {value.name!r} lies outside {value.dtype.value}")
    return broken


def _takes_grid(node: Node, value: Value) -> bool:
    """Whether a layer makes, or reads, a value of a grid as it can; levels that stand in memory all layers read."""
    assert value.quant is not None
    spec, read = spec_of(node.op), [index for index, operand in enumerate(node.inputs) if operand is value]
    if value.dtype is not DType.INT8 or (not read and not spec.encodes):
        return False
    return not read or not value.quant.is_coded or (spec.decodes and read == [0])


def require_supported_graph(graph: Graph) -> None:
    """Raise UnsupportedModel naming every layer, input and output that breaks a constraint."""
    require_supported(unsupported_layers(graph))
