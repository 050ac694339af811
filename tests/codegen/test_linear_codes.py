"""Constants of the kernels of four codes at once: what they compute is the reference, for every pair of codes."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.lowering.linear_codes import CODES, divisor, lane_sum_fields, line_fields, product_fields
from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.pool import rounded_mean
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import single_node_graph

Quant = tuple[float, int]


def results(op: str, a: Quant, b: Quant, y: Quant, activation: str) -> tuple[Node, Array]:
    """A node of two operands, and the reference's result for all pairs of codes."""
    values = [
        Value(name, shape, DType.INT8, QuantType.per_tensor(*quant))
        for name, shape, quant in (("a", (256, 1), a), ("b", (1, 256), b), ("y", (256, 256), y))
    ]
    graph = single_node_graph(op, values[:2], values[2:], {"activation": activation})
    codes = CODES.astype(np.int8)
    return graph.nodes[0], run_reference(graph, [codes[:, None], codes[None, :]])[values[2]].astype(np.int64)


def random_quants(rng: np.random.Generator, op: str) -> tuple[Quant, Quant, Quant]:
    scale = 10 ** rng.uniform(-3, -0.5)
    other = scale * (1.0 if rng.random() < 0.2 else 2 ** rng.uniform(-3, 3))
    result = scale * other * 2 ** rng.uniform(2.2, 9) if op == "mul" else max(scale, other) * 2 ** rng.uniform(-1, 1)
    zeros = rng.integers(-128, 128, 3)
    return (scale, int(zeros[0])), (other, int(zeros[1])), (result, int(zeros[2]))


@pytest.mark.parametrize("op", ["add", "sub"])
def test_sums_equal_the_reference(op: str) -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        node, want = results(op, *random_quants(rng, op), "relu6")
        found = lane_sum_fields(node)
        assert found is not None
        a, b, bias = (int(found[key]) for key in ("a_multiplier", "b_multiplier", "bias"))  # type: ignore[call-overload]
        steps = (a * CODES >> 8)[:, None] + (b * CODES >> 8)[None, :] + bias
        assert np.array_equal(np.clip((steps >> 16) + want.min(), want.min(), want.max()), want)


def test_lines_equal_the_reference_or_are_refused() -> None:
    rng, refused = np.random.default_rng(10), 0
    for _ in range(20):
        node, want = results("add", *random_quants(rng, "add"), "none")
        found = line_fields(node)
        if found is None:
            refused += 1
            continue
        keys = ("a_multiplier", "b_multiplier", "bias", "shift")
        a, b, bias, shift = (int(found[key]) for key in keys)  # type: ignore[call-overload]
        sums = (a * CODES)[:, None] + (b * CODES)[None, :] + bias
        assert np.abs(sums).max() < 1 << 31
        assert np.array_equal(np.clip((sums >> shift) - 128, -128, 127), want)
    assert refused < 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_products_equal_the_reference(order: tuple[int, int]) -> None:
    rng = np.random.default_rng(9)
    for _ in range(20):
        quants = random_quants(rng, "mul")
        node, want = results("mul", *quants, "none")
        found = product_fields(node, order)
        assert found is not None
        keys = ("multiplier", "correction", "bias", "step")
        multiplier, correction, bias, step = (int(found[key]) for key in keys)  # type: ignore[call-overload]
        scaled = (multiplier * CODES >> 8) + correction
        steps = (scaled[None, :] * (CODES - quants[order[0]][1])[:, None] >> 9) + bias
        rounded = np.where(steps >= 0, steps + step, steps) >> 16
        assert np.array_equal(np.clip(rounded + quants[2][1], -128, 127), want.transpose(order))


@pytest.mark.parametrize("half_up", [False, True])
def test_means_equal_the_reference(half_up: bool) -> None:
    for count in range(1, 257):
        found = divisor(count, half_up, -128, 127)
        assert found is not None
        sums = np.arange(-128 * count, 127 * count + 1)
        steps = (found[0] * (sums * (4 if count < 3 else 1)) >> 16) + found[1]
        assert np.array_equal((steps >> 16) - 128, rounded_mean(sums, count, half_up))


def test_scales_too_far_apart_are_left_to_the_other_kernels() -> None:
    quants = ((1.0, 5), (0.9, -1), (0.01, 0))
    assert lane_sum_fields(results("add", *quants, "none")[0]) is None
    assert product_fields(results("mul", *quants, "none")[0], (0, 1)) is None
