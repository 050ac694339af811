"""The verifier that runs after every stage on graphs."""

from __future__ import annotations

from edgekit.errors import InternalError
from edgekit.ir import Graph, Value
from edgekit.ops import spec_of


def verify_graph(graph: Graph, stage: str) -> None:
    """Check ownership, order and shapes; raises InternalError naming the stage that broke them."""
    known: set[Value] = set(graph.inputs)
    for node in graph.nodes:
        for index, value in enumerate(node.inputs):
            if value is None:
                continue
            if (node, index) not in value.uses:
                raise InternalError(f"after {stage}: {node!r} reads {value!r} without being one of its uses")
            if not value.is_constant and value not in known:
                raise InternalError(f"after {stage}: {node!r} reads {value!r} before it is made")
        for value, shape in zip(node.outputs, spec_of(node.op).infer(node), strict=True):
            if value.producer is not node:
                raise InternalError(f"after {stage}: {value!r} does not know its producer {node!r}")
            if value.shape != tuple(shape):
                raise InternalError(f"after {stage}: {node!r} makes {list(shape)}, its value says {list(value.shape)}")
            known.add(value)
        for value, dtype in zip(node.outputs, spec_of(node.op).infer_types(node), strict=True):
            if value.dtype is not dtype:
                raise InternalError(f"after {stage}: {node!r} makes {dtype.value}, its value says {value.dtype.value}")
    for value in graph.outputs:
        if value not in known:
            raise InternalError(f"after {stage}: output {value!r} is never made")
