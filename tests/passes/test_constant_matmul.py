"""Matrix products with a constant are layers with weights, where one matrix is for all that they read."""

from __future__ import annotations

import pytest

from edgekit.passes.constant_matmul import MatmulOfConstant
from tests.passes.maker import Maker, check, untouched


@pytest.mark.parametrize("shape", [(5, 3), (1, 5, 3)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_with_a_constant_is_a_layer(shape: tuple[int, ...], transposed: bool) -> None:
    m = Maker()
    matrix = m.const(*shape[:-2], 3, 5) if transposed else m.const(*shape)
    y = m("matmul", m.input(1, 4, 5), matrix, transpose_a=False, transpose_b=transposed)
    check(MatmulOfConstant(), m.graph(y), ["fully_connected"])


def test_products_of_other_matrices_stay() -> None:
    m = Maker()
    step, plain = MatmulOfConstant(), {"transpose_a": False, "transpose_b": False}
    untouched(step, m.graph(m("matmul", m.input(2, 4, 5), m.const(2, 5, 3), **plain)))
    m = Maker()
    untouched(step, m.graph(m("matmul", m.const(4, 5), m.input(5, 3), **plain)))
    m = Maker()
    untouched(step, m.graph(m("matmul", m.input(4, 5), m.const(1, 5, 3), **plain)))
    m = Maker()
    untouched(step, m.graph(m("matmul", m.input(5, 4), m.const(5, 3), transpose_a=True, transpose_b=False)))
    m = Maker()
    untouched(step, m.graph(m("matmul", m.input(1, 4, 0), m.const(2, 0, 3), **plain)))
