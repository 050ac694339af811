"""Cores without DSP instructions: which kernels layers get, how much scratch, and codes at the ends of their range."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.program import Program
from edgekit.host import build_host_model
from edgekit.ir import DType, Graph, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import single_node_graph

SCALAR = Target(dsp=False)
Shape = tuple[int, ...]


def _layer(op: str, x: Shape, w: Shape, zero_x: int = -7, zero_w: int = 0, **attrs: object) -> Graph:
    """A layer with weights at both ends of int8, per tensor."""
    usual: dict[str, object] = {"activation": "none", "double_rounding": True}
    if op != "fully_connected":
        usual |= {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
    codes = np.random.default_rng(3).choice(np.array([-128, -127, 0, 127], np.int8), w)
    weights = Value.constant("w", codes, QuantType.per_tensor(0.01, zero_w))
    image = Value("x", x, DType.INT8, QuantType.per_tensor(0.05, zero_x))
    output = Value("y", (), DType.INT8, QuantType.per_tensor(1.5, 4))
    graph = single_node_graph(op, [image, weights], [output], {**usual, **attrs})
    graph.nodes[0].output.shape = spec_of(op).infer(graph.nodes[0])[0]
    return graph


def _lowered(graph: Graph, room: int = 0) -> tuple[str, int]:
    """The kernel of a layer, and its scratch."""
    program: Program = lower(graph, SCALAR, room=[room])
    (kernel,) = program.kernels
    return kernel, sum(b.size for b in program.buffers if b.kind == "scratch")


def test_windows_are_gathered_by_twos_where_there_is_room() -> None:
    graph = _layer("conv2d", (1, 6, 5, 3), (4, 3, 3, 3))
    assert _lowered(graph, 53) == ("ek_conv2d_s8_twice", 27)
    assert _lowered(graph, 54) == ("ek_conv2d_s8_twice", 54)


def test_pixels_are_read_where_they_stand() -> None:
    assert _lowered(_layer("conv2d", (1, 6, 5, 3), (4, 1, 1, 3), padding=(0, 0, 0, 0)))[1] == 0
    assert _lowered(_layer("conv2d", (1, 6, 5, 3), (4, 1, 1, 3)))[1] == 3  # a border is no pixel of the input


@pytest.mark.parametrize(
    ("op", "x", "w", "kernel"),
    [
        ("fully_connected", (3, 5), (4, 5), "ek_fully_connected_s8_twice"),
        ("depthwise_conv2d", (1, 5, 4, 3), (3, 3, 3), "ek_depthwise_taps_s8_twice"),
        ("depthwise_conv2d", (1, 5, 4, 3), (3, 3, 6), "ek_depthwise_conv2d_s8"),
    ],
)
def test_kernels(op: str, x: Shape, w: Shape, kernel: str) -> None:
    assert _lowered(_layer(op, x, w))[0] == kernel


@pytest.mark.parametrize(("zero_x", "zero_w"), [(-128, 0), (127, 0), (127, -128)])
def test_ends_of_the_range(zero_x: int, zero_w: int) -> None:
    graphs = [
        _layer("conv2d", (1, 5, 7, 4), (5, 3, 3, 4), zero_x, zero_w),
        _layer("conv2d", (1, 5, 7, 4), (6, 3, 2, 2), zero_x, zero_w, groups=2, double_rounding=False),
        _layer("conv2d", (1, 4, 3, 2), (3, 5, 5, 2), zero_x, zero_w, padding=(4, 4, 4, 4)),
        _layer("fully_connected", (3, 11), (7, 11), zero_x, zero_w),
        _layer("depthwise_conv2d", (1, 5, 3, 5), (3, 3, 5), zero_x, zero_w),
    ]
    for graph in graphs:
        model = build_host_model(graph)
        for code in (-128, 127, zero_x):
            x = np.full(graph.inputs[0].shape, code, np.int8)
            (got,) = model([x])
            np.testing.assert_array_equal(got, run_reference(graph, [x])[graph.outputs[0]])


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 5, 4)])
def test_matrix_products(size: tuple[int, int, int], transpose_a: bool, transpose_b: bool) -> None:
    m, k, n = size
    a = Value("a", (k, m) if transpose_a else (m, k), DType.INT8, QuantType.per_tensor(0.05, -128))
    b = Value("b", (n, k) if transpose_b else (k, n), DType.INT8, QuantType.per_tensor(0.05, 127))
    y = Value("y", (m, n), DType.INT8, QuantType.per_tensor(2.0, 1))
    attrs = {"transpose_a": transpose_a, "transpose_b": transpose_b, "activation": "none"}
    graph = single_node_graph("int_matmul", [a, b], [y], attrs)
    copied = (transpose_a and m > 1) + (not transpose_b and n > 1)
    assert _lowered(graph) == ("ek_int_matmul_s8_twice", 4 * m + 2 * k * copied)
    rng = np.random.default_rng(5)
    inputs = [rng.choice(np.array([-128, 127], np.int8), v.shape) for v in graph.inputs]
    (got,) = build_host_model(graph)(inputs)
    np.testing.assert_array_equal(got, run_reference(graph, inputs)[graph.outputs[0]])
