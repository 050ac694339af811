"""Scale, offset and padding that go into the product before or after them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edgekit.ir import Value
from edgekit.passes.constant_add import AddOfConstantToAffine
from edgekit.passes.fold_affine import FoldAffineIntoProducer
from edgekit.passes.fold_affine_forward import FoldAffineIntoReader
from edgekit.passes.fold_padding import FoldPadding
from tests.passes.maker import CONV, PADDED, Maker, check, untouched


@pytest.mark.parametrize("activation", ["none", "relu"])
def test_fold_affine(activation: str) -> None:
    m = Maker()
    y = m.affine(m.conv(m.input(1, 6, 6, 3)), activation=activation)
    graph = check(FoldAffineIntoProducer(), m.graph(y), ["conv2d"])
    assert graph.nodes[0].attrs["activation"] == activation
    m = Maker()
    depthwise = m("depthwise_conv2d", m.input(1, 6, 6, 3), m.const(3, 3, 6), **CONV)
    check(FoldAffineIntoProducer(), m.graph(m.affine(depthwise)), ["depthwise_conv2d"])


def test_fold_affine_through_reshape() -> None:
    m = Maker()
    flat = m("fully_connected", m.input(3, 6), m.const(4, 6), activation="none")
    y = m("reshape", m.affine(m("reshape", flat, shape=(1, 3, 1, 4))), shape=(3, 4))
    check(FoldAffineIntoProducer(), m.graph(y), ["fully_connected", "reshape", "reshape"])


def test_fold_affine_stays_behind_activation_or_second_reader() -> None:
    m = Maker()
    untouched(FoldAffineIntoProducer(), m.graph(m.affine(m.conv(m.input(1, 6, 6, 3), activation="relu"))))
    m = Maker()
    x = m.conv(m.input(1, 6, 6, 3))
    untouched(FoldAffineIntoProducer(), m.graph(m.affine(x), x))


def unit_affine(m: Maker, x: Value, offset: bool) -> Value:
    channels = x.shape[3]
    scale = Value.constant("s", np.linspace(-0.5, -1.5, channels, dtype=np.float32).reshape(1, 1, channels))
    operands = [x, scale, *([m.const(channels)] if offset else [])]
    return m("depthwise_conv2d", *operands, **CONV)


def test_fold_affine_forward() -> None:
    m = Maker()
    check(FoldAffineIntoReader(), m.graph(m.conv(unit_affine(m, m.input(1, 6, 6, 3), True))), ["conv2d"])
    m = Maker()
    check(FoldAffineIntoReader(), m.graph(m.conv(unit_affine(m, m.input(1, 6, 6, 3), False), **PADDED)), ["conv2d"])
    m = Maker()
    flat = m("reshape", unit_affine(m, m.input(1, 2, 3, 4), True), shape=(1, 24))
    y = m("fully_connected", flat, m.const(5, 24), activation="none")
    check(FoldAffineIntoReader(), m.graph(y), ["reshape", "fully_connected"])
    m = Maker()
    y = m("depthwise_conv2d", unit_affine(m, m.input(1, 6, 6, 3), True), m.const(3, 3, 6), **CONV)
    check(FoldAffineIntoReader(), m.graph(y), ["depthwise_conv2d"])


def test_fold_affine_forward_keeps_offsets_before_padding() -> None:
    m = Maker()
    untouched(FoldAffineIntoReader(), m.graph(m.conv(unit_affine(m, m.input(1, 6, 6, 3), True), **PADDED)))


def padding_of(m: Maker, x: Value) -> Value:
    ones = Value.constant("ones", np.ones((1, 1, x.shape[3]), np.float32))
    return m("depthwise_conv2d", x, ones, **{**CONV, "padding": (1, 0, 2, 3)})


@pytest.mark.parametrize(("weight", "offset", "folds"), [(1e30, 0.0, False), (1e9, 1e30, False), (1e9, -np.inf, True)])
def test_what_float32_would_make_infinite_is_not_folded(weight: float, offset: float, folds: bool) -> None:
    """Biases as well as weights, before and behind; a mask of minus infinity is one already."""
    kernel, scale, bias = (
        Value.constant("c", np.full(shape, number, np.float32))
        for shape, number in (((2, 1, 1, 2), weight), ((1, 1, 2), 1e9), ((2,), offset))
    )
    m = Maker()
    behind = m.graph(m("depthwise_conv2d", m("conv2d", m.input(1, 4, 4, 2), kernel, bias, **CONV), scale, **CONV))
    m = Maker()
    before = m.graph(m("conv2d", m("depthwise_conv2d", m.input(1, 4, 4, 2), scale, bias, **CONV), kernel, **CONV))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FoldAffineIntoProducer().run(behind) == FoldAffineIntoReader().run(before) == folds


def test_fold_padding() -> None:
    m = Maker()
    padded = padding_of(m, m.input(1, 6, 6, 3))
    graph = check(FoldPadding(), m.graph(m.conv(padded, **PADDED), m.conv(padded)), ["conv2d", "conv2d"])
    assert graph.nodes[0].attrs["padding"] == (2, 1, 3, 4)
    m = Maker()
    padded = padding_of(m, m.input(1, 6, 6, 3))
    untouched(FoldPadding(), m.graph(m.conv(padded), m("relu", padded)))


@pytest.mark.parametrize("constant", [(3,), (1, 1, 1, 3), (), (4, 1, 1)])
def test_constant_add(constant: tuple[int, ...]) -> None:
    m = Maker()
    y = m("add", m.const(*constant), m.input(1, 4, 5, 3), activation="relu")
    check(AddOfConstantToAffine(), m.graph(y), ["reshape", "depthwise_conv2d", "reshape"])
