"""Operators in torch give what the numpy reference does, alone and under a batch axis, with gradients."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.errors import UnsupportedModel  # noqa: E402
from edgekit.ir import DType, Graph, Node, Value  # noqa: E402
from edgekit.ops import spec_of  # noqa: E402
from edgekit.ops.reference import run_reference  # noqa: E402
from edgekit.quant.learning.modules import run_node  # noqa: E402
from edgekit.quant.learning.operators import OPERATORS  # noqa: E402

PRODUCTS = ("conv2d", "depthwise_conv2d", "fully_connected", "transpose_conv2d")
# Their cases have arguments of any size, which float32 has no sines of.
PERIODIC = ("sin", "cos", "tan")


def _run(graph: Graph, arrays: list[torch.Tensor]) -> torch.Tensor:
    known = dict(zip(graph.inputs, arrays, strict=True))
    for node in graph.nodes:
        known[node.output] = run_node(node, known)
    return known[graph.outputs[0]]


@pytest.mark.parametrize("name", [*PRODUCTS, *(n for n in OPERATORS if n not in PERIODIC)])
def test_operator(name: str) -> None:
    for case in spec_of(name).cases():
        graph = case.graph
        if any(v.quant is not None for v in graph.values()) or graph.outputs[0].dtype is not DType.FLOAT32:
            continue
        for data in case.inputs:
            wanted = run_reference(graph, list(data))[graph.outputs[0]]
            tensors = [torch.from_numpy(np.array(d)) for d in data]
            alone = _run(graph, tensors)
            batched = torch.vmap(lambda *xs, g=graph: _run(g, list(xs)))(*(torch.stack([t, t]) for t in tensors))
            # Sums differ by the rounding of their terms.
            largest = max(np.abs(a[np.isfinite(a)]).max(initial=1.0) for a in (wanted, *map(np.asarray, data)))
            for made in (alone, batched[1]):
                assert made.shape == wanted.shape
                assert np.allclose(made.numpy(), wanted, rtol=1e-3, atol=1e-5 * largest, equal_nan=True), case.name


def test_an_operator_without_a_form_is_told() -> None:
    x, y = Value("x", (2, 2), DType.FLOAT32), Value("y", (), DType.FLOAT32)
    with pytest.raises(UnsupportedModel, match=r"layer 'd' \(det\): weights cannot be learned through it"):
        run_node(Node("det", "d", [x], [y], {}), {x: torch.ones(2, 2)})
