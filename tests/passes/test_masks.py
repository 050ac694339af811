"""Masks of a softmax that choose, and what guards its shares: as sums, and gone; and what must stay as it is."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.ir import Array, Graph, Value
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.passes.mask_scores import MaskScoresByAdding
from edgekit.passes.nan_guard import DropNanGuards
from tests.passes.maker import Maker, check, untouched

CAUSAL = np.tril(np.ones((5, 5), bool))
NONE = np.zeros((5, 5), bool)


def chosen(kept: Array, low: float = -np.inf, first: bool = True, scores: tuple[int, ...] = (2, 5, 5)) -> Graph:
    """softmax(where(kept, x, low)), or the same with the choices the other way round."""
    m = Maker()
    x, number = m.input(*scores), Value.constant("low", np.array(low, np.float32))
    condition = Value.constant("kept", kept if first else ~kept)
    made = m("where", condition, *((x, number) if first else (number, x)))
    return m.graph(m("softmax", made, beta=1.0))


@pytest.mark.parametrize("low", [-np.inf, -1e4, float(np.finfo(np.float32).min)])
@pytest.mark.parametrize("first", [True, False])
def test_a_choice_of_scores_is_a_sum_with_a_mask(low: float, first: bool) -> None:
    graph = check(MaskScoresByAdding(), chosen(CAUSAL, low, first), ["add", "softmax"])
    mask = graph.nodes[0].input(1).array
    assert (mask[CAUSAL] == 0).all() and (mask[~CAUSAL] == -np.inf).all()


def test_what_is_not_chosen_may_be_anything() -> None:
    m = Maker()
    lows = np.where(CAUSAL, np.float32(7), np.float32(-1e5))
    made = m("where", Value.constant("kept", CAUSAL), m.input(2, 5, 5), Value.constant("lows", lows))
    check(MaskScoresByAdding(), m.graph(m("softmax", made, beta=1.0)), ["add", "softmax"])


@pytest.mark.parametrize(
    ("kept", "low", "scores"),
    [
        (CAUSAL, -20.0, (2, 5, 5)),
        (CAUSAL, -1e3, (2, 5, 5)),
        (CAUSAL, np.inf, (2, 5, 5)),
        (NONE, -1e9, (2, 5, 5)),
        (np.tril(np.ones((5, 5), bool), -1), -np.inf, (2, 5, 5)),
        (CAUSAL, -np.inf, (2, 1, 5)),
    ],
    ids=["scores", "low scores", "above", "nothing", "row of nothing", "scores that broadcast"],
)
def test_a_choice_that_is_no_mask_stays(kept: Array, low: float, scores: tuple[int, ...]) -> None:
    untouched(MaskScoresByAdding(), chosen(kept, low, scores=scores))


def test_a_choice_that_others_read_stays() -> None:
    graph = chosen(CAUSAL)
    untouched(MaskScoresByAdding(), Graph("g", graph.inputs, [graph.nodes[0].output, *graph.outputs], graph.nodes))


def guarded(*masks: Array, other: bool = False, product: bool = True) -> Graph:
    """Shares of x times a constant, or of x, + all masks, 0 where they are no numbers."""
    m = Maker()
    x, zero = m.input(2, 5, 5), Value.constant("zero", np.array(0, np.float32))
    scores = m("matmul", x, m.const(5, 5), transpose_a=False, transpose_b=False) if product else x
    for mask in masks:
        scores = m("add", scores, Value.constant("mask", mask.astype(np.float32)), activation="none")
    shares = m("softmax", scores, beta=1.0)
    return m.graph(m("where", m("is_nan", scores if other else shares), zero, shares))


ROW_OF_NOTHING = np.where(np.tril(np.ones((5, 5), bool), -1), 0.0, -np.inf)
HIDDEN = np.where(CAUSAL, 0.0, -np.inf)


def test_shares_need_no_guard_where_masks_leave_some() -> None:
    check(DropNanGuards(), guarded(HIDDEN), ["matmul", "add", "softmax"])
    check(DropNanGuards(), guarded(HIDDEN, np.where(CAUSAL, 0.0, -1e9)), ["matmul", "add", "add", "softmax"])
    # Rows of -1e9 are rows of equal shares.
    check(DropNanGuards(), guarded(np.where(NONE, 0.0, -1e9)), ["matmul", "add", "softmax"])


@pytest.mark.parametrize(
    "masks",
    [
        (np.where(NONE, 0.0, -np.inf),),
        (ROW_OF_NOTHING,),
        (ROW_OF_NOTHING[:, :1] + np.zeros((5, 5)),),
        (ROW_OF_NOTHING[:, :1],),
        (HIDDEN, np.where(np.arange(5) < 1, -np.inf, 0.0)),
    ],
    ids=["all", "a row", "a row alike", "a row by broadcasting", "two together"],
)
def test_guards_stay_where_masks_leave_nothing_of_a_row(masks: tuple[Array, ...]) -> None:
    untouched(DropNanGuards(), guarded(*masks))
    graph = optimise(guarded(*masks))
    assert any(node.op == "is_nan" for node in graph.nodes)
    (made,) = graph.outputs
    x = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    with np.errstate(invalid="ignore"):
        assert np.isfinite(run_reference(graph, [x])[made]).all()


def test_guards_stay_where_scores_may_be_infinite() -> None:
    untouched(DropNanGuards(), guarded(HIDDEN, other=True))
    untouched(DropNanGuards(), guarded(HIDDEN, product=False))


def test_guards_between_two_outputs_stay() -> None:
    graph = guarded(HIDDEN)
    shares = next(node.output for node in graph.nodes if node.op == "softmax")
    untouched(DropNanGuards(), Graph("g", graph.inputs, [shares, *graph.outputs], graph.nodes))


def test_guards_stay_where_scores_are_chosen_by_another_input() -> None:
    m = Maker()
    x, low = m.input(2, 5, 5), Value.constant("low", np.array(-np.inf, np.float32))
    shares = m("softmax", m("where", m("less", x, m.input(2, 5, 5)), x, low), beta=1.0)
    guard = m("where", m("is_nan", shares), Value.constant("zero", np.array(0, np.float32)), shares)
    untouched(DropNanGuards(), m.graph(guard))
