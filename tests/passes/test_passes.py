"""Each pass on the smallest graph it is for: same results, and the shape of the graph it promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgekit.errors import InternalError
from edgekit.ir import Graph, QuantType, Value, dump_graph
from edgekit.passes import PASSES, Pass, optimise
from edgekit.passes.common_subexpressions import MergeDuplicates
from edgekit.passes.dead_code import RemoveDeadCode
from edgekit.passes.flatten_to_weights import FoldTransposeIntoFullyConnected
from edgekit.passes.float_weights import DequantizeStoredWeights
from edgekit.passes.fold_constants import FoldConstants
from edgekit.passes.fuse_activation import FuseActivation
from edgekit.passes.hoist_unary import HoistUnary
from edgekit.passes.merge_transposes import MergeTransposes
from edgekit.passes.reshapes import MergeReshapes
from edgekit.passes.sink_transposes import SinkTransposes
from edgekit.passes.transpose_reshape import SinkTransposeBelowReshape, axis_groups
from tests.passes.maker import Maker, check, results, untouched


def test_dead_code() -> None:
    m = Maker()
    x = m.input(1, 4)
    m("tanh", m("relu", x))
    check(RemoveDeadCode(), m.graph(m("sigmoid", x)), ["sigmoid"])


def test_fold_constants() -> None:
    m = Maker()
    x, c = m.input(4, 3), m("relu", m("transpose", m.const(3, 4), perm=(1, 0)))
    check(FoldConstants(), m.graph(m("add", x, c, activation="none")), ["add"])


def test_stored_weights_become_float() -> None:
    m = Maker()
    codes = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)
    weights = Value.constant("w", codes, QuantType((0.1, 0.2, 0.3, 0.4), (0,) * 4, 0))
    graph = m.graph(m("fully_connected", m.input(1, 3), weights, activation="none"))
    assert DequantizeStoredWeights().run(graph)
    np.testing.assert_allclose(graph.nodes[0].input(1).array, codes * np.array([[0.1], [0.2], [0.3], [0.4]]), rtol=1e-6)


def test_merge_reshapes() -> None:
    m = Maker()
    y = m("reshape", m("reshape", m.input(2, 6), shape=(3, 4)), shape=(4, 3))
    check(MergeReshapes(), m.graph(y), ["reshape"])
    m = Maker()
    y = m("reshape", m("reshape", m("relu", m.input(2, 6)), shape=(3, 4)), shape=(2, 6))
    check(MergeReshapes(), m.graph(y), ["relu"])


def test_transpose_of_ones_is_a_reshape() -> None:
    m = Maker()
    check(MergeReshapes(), m.graph(m("transpose", m.input(1, 1, 5, 6), perm=(0, 2, 3, 1))), ["reshape"])


def test_identity_reshape_of_an_input_stays() -> None:
    m = Maker()
    untouched(MergeReshapes(), m.graph(m("reshape", m.input(2, 3), shape=(2, 3))))


def test_merge_transposes() -> None:
    m = Maker()
    y = m("transpose", m("transpose", m.input(1, 3, 4, 5), perm=(0, 2, 3, 1)), perm=(0, 3, 2, 1))
    check(MergeTransposes(), m.graph(y), ["transpose"])
    m = Maker()
    y = m("transpose", m("transpose", m.input(1, 3, 4, 5), perm=(0, 2, 3, 1)), perm=(0, 3, 1, 2))
    check(MergeTransposes(), m.graph(m("relu", y)), ["relu"])


@pytest.mark.parametrize("op", ["relu", "relu6", "sigmoid", "tanh"])
def test_hoist_unary(op: str) -> None:
    m = Maker()
    y = m(op, m("reshape", m("transpose", m.input(1, 3, 4, 5), perm=(0, 2, 3, 1)), shape=(60,)))
    check(HoistUnary(), m.graph(y), [op, "transpose", "reshape"])


def test_hoist_unary_over_concat() -> None:
    m = Maker()
    y = m("relu", m("concat", m.input(1, 2), m.input(1, 3), axis=1))
    check(HoistUnary(), m.graph(y), ["relu", "relu", "concat"])


def test_hoist_unary_leaves_a_shared_concat() -> None:
    m = Maker()
    joined = m("concat", m.input(1, 2), m.input(1, 3), axis=1)
    untouched(HoistUnary(), m.graph(m("relu", joined), joined))


def test_hoist_unary_in_integers() -> None:
    m = Maker()
    x = m.input(2, 3, quant=QuantType.per_tensor(0.1, 3))
    y = m("sigmoid", m("reshape", x, shape=(6,)), quant=QuantType.per_tensor(1 / 256, -128))
    check(HoistUnary(), m.graph(y), ["sigmoid", "reshape"])


def test_sink_transposes() -> None:
    m = Maker()
    a, b = (m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2)) for _ in range(2))
    check(SinkTransposes(), m.graph(m("add", a, b, activation="none")), ["add", "transpose"])
    m = Maker()
    a, b = (m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2)) for _ in range(2))
    check(SinkTransposes(), m.graph(m("concat", a, b, axis=1)), ["concat", "transpose"])
    m = Maker()
    a = m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2))
    check(SinkTransposes(), m.graph(m("add", a, m.const(3, 1, 1), activation="none")), ["add", "transpose"])
    m = Maker()
    check(
        SinkTransposes(),
        m.graph(m("softmax", m("transpose", m.input(2, 4, 3), perm=(1, 0, 2)), beta=1.0)),
        ["softmax", "transpose"],
    )


def test_sink_transposes_below_operators_with_an_entry_per_axis() -> None:
    m = Maker()
    x = m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2))
    y = m("pad", x, before=(0, 1, 2, 0), after=(0, 0, 0, 3), value=1.5)
    check(SinkTransposes(), m.graph(y), ["pad", "transpose"])
    m = Maker()
    x = m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2))
    y = m("slice", x, starts=(0, 2, 1, 4), steps=(1, -1, 2, 1), sizes=(1, 3, 2, 1))
    check(SinkTransposes(), m.graph(y), ["slice", "transpose"])


def test_sink_transposes_below_products_and_choices() -> None:
    m = Maker()
    a, b = (m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2)) for _ in range(2))
    check(SinkTransposes(), m.graph(m("mul", a, b, activation="none")), ["mul", "transpose"])


def test_sink_transposes_below_factors_of_channels() -> None:
    for factors in ((1, 3, 1, 1), (2, 3, 1, 1)):
        m = Maker()
        a = m("transpose", m.input(2, 4, 5, 3), perm=(0, 3, 1, 2))
        y = m("mul", a, m.input(*factors), activation="none")
        check(SinkTransposes(), m.graph(y), ["reshape", "mul", "transpose"])
    m = Maker()
    a = m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2))
    untouched(SinkTransposes(), m.graph(m("mul", a, m.input(1, 3, 1, 5), activation="none")))


def test_sink_transposes_with_a_minority() -> None:
    m = Maker()
    a, b = (m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2)) for _ in range(2))
    y = m("concat", a, b, m.input(1, 3, 4, 5), axis=1)
    check(SinkTransposes(), m.graph(y), ["transpose", "concat", "transpose"])
    m = Maker()
    a = m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2))
    untouched(SinkTransposes(), m.graph(m("add", a, m.input(1, 3, 4, 5), activation="none")))


@pytest.mark.parametrize(
    ("shape", "perm", "target"),
    [
        ((1, 4, 5, 3), (0, 3, 1, 2), (1, 3, 20)),
        ((1, 4, 5, 6), (0, 3, 1, 2), (1, 2, 3, 20)),
        ((1, 4, 5, 6), (0, 3, 1, 2), (1, 6, 1, 4, 5)),
        ((2, 4, 5, 6), (0, 3, 1, 2), (2, 6, 4, 5, 1)),
        ((4, 1, 5, 6), (3, 1, 0, 2), (6, 20)),
    ],
)
def test_transpose_below_reshape(shape: tuple[int, ...], perm: tuple[int, ...], target: tuple[int, ...]) -> None:
    m = Maker()
    y = m("reshape", m("transpose", m.input(*shape), perm=perm), shape=target)
    check(SinkTransposeBelowReshape(), m.graph(y), ["reshape", "transpose"])


@pytest.mark.parametrize("target", [(1, 60), (1, 15, 4), (60,), (1, 6, 10)])
def test_transpose_above_mixing_reshape_stays(target: tuple[int, ...]) -> None:
    m = Maker()
    untouched(
        SinkTransposeBelowReshape(),
        m.graph(m("reshape", m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2)), shape=target)),
    )


def test_axis_groups() -> None:
    assert axis_groups((1, 6, 4), (2, 3, 1, 4)) == [([1], [0, 1, 2]), ([2], [3])]
    assert axis_groups((2, 3, 4), (4, 6)) == [([0, 1, 2], [0, 1])]
    assert axis_groups((1, 1), (1,)) is None


def test_flatten_to_weights() -> None:
    m = Maker()
    flat = m("reshape", m("transpose", m.input(1, 4, 5, 3), perm=(0, 3, 1, 2)), shape=(1, 60))
    y = m("fully_connected", flat, m.const(7, 60), m.const(7), activation="none")
    check(FoldTransposeIntoFullyConnected(), m.graph(y), ["reshape", "fully_connected"])


FUSABLE: list[Callable[[Maker, Value], Value]] = [
    lambda m, x: m.conv(x),
    lambda m, x: m.affine(x),
    lambda m, x: m("fully_connected", x, m.const(5, 3), activation="none"),
    lambda m, x: m("add", x, m.input(*x.shape), activation="none"),
    lambda m, x: m("max_pool2d", x, kernel=(2, 2), stride=(1, 1), padding=(0, 0, 0, 0), activation="none"),
    lambda m, x: m("avg_pool2d", x, kernel=(2, 2), stride=(1, 1), padding=(0, 0, 0, 0), activation="none"),
]


@pytest.mark.parametrize("function", ["relu", "relu6"])
@pytest.mark.parametrize("index", range(len(FUSABLE)))
def test_fuse_activation(index: int, function: str) -> None:
    m = Maker()
    y = m(function, FUSABLE[index](m, m.input(1, 6, 6, 3)))
    graph = check(FuseActivation(), m.graph(y), [m.nodes[0].op])
    assert graph.nodes[0].attrs["activation"] == function


def quantized_add(m: Maker, function: str, quant: QuantType, after: QuantType) -> Graph:
    a, b = (m.input(1, 300, quant=QuantType.per_tensor(0.05, 3)) for _ in range(2))
    return m.graph(m(function, m("add", a, b, quant=quant, activation="none"), quant=after))


def test_fuse_activation_in_integers_where_exact() -> None:
    quant = QuantType.per_tensor(0.07, -11)
    check(FuseActivation(), quantized_add(Maker(), "relu", quant, quant), ["add"])
    check(FuseActivation(), quantized_add(Maker(), "relu6", quant, quant), ["add"])
    untouched(FuseActivation(), quantized_add(Maker(), "relu", quant, QuantType.per_tensor(0.06, -128)))


def test_merge_duplicates() -> None:
    m = Maker()
    x = m.input(1, 4)
    a, b = m("tanh", x), m("tanh", x)
    check(MergeDuplicates(), m.graph(m("add", a, b, activation="none")), ["tanh", "add"])


def test_all_passes_come_to_rest_and_keep_outputs() -> None:
    m = Maker()
    x = m.input(1, 3, 8, 8)
    nhwc = m("transpose", x, perm=(0, 2, 3, 1))
    y = m("transpose", m.affine(m.conv(nhwc)), perm=(0, 3, 1, 2))
    flat = m("reshape", m("relu", y), shape=(1, 144))
    out = m("fully_connected", flat, m.const(5, 144), activation="none")
    graph = m.graph(out, y)
    before = results(graph)
    optimise(graph)
    text = dump_graph(graph)
    assert dump_graph(optimise(graph)) == text
    for old, new in zip(before, results(graph), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)


def test_a_pass_that_breaks_the_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaks(Pass):
        name = "breaks"

        def run(self, graph: Graph) -> bool:
            graph.nodes.reverse()
            return True

    m = Maker()
    graph = m.graph(m("tanh", m("sigmoid", m.input(1, 2))))
    monkeypatch.setattr("edgekit.passes.PASSES", (Breaks(),))
    with pytest.raises(InternalError, match="after breaks"):
        optimise(graph)


def test_passes_say_what_they_ensure() -> None:
    for step in PASSES:
        assert step.name and "equires" in (step.__doc__ or "") and "nsures" in (step.__doc__ or "")
