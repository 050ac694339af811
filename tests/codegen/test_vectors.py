"""Cores with 128-bit vectors: which layers take them, and what the others get."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.ops import spec_of
from edgekit.ops.conv2d import product_case

VECTORS = Target(dsp=True, mve=True)
Shape = tuple[int, ...]


def _kernel(op: str, x: Shape, w: Shape, axis: int, zero_w: int, **attrs: object) -> str:
    """The one kernel of a layer."""
    usual: dict[str, object] = {
        "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": "none", "double_rounding": True
    }  # fmt: skip
    case = product_case(spec_of(op), "case", np.random.default_rng(1), x, w, axis, zero_w, {**usual, **attrs})
    (kernel,) = lower(case.graph, VECTORS).kernels
    return kernel


@pytest.mark.parametrize(
    ("x", "w", "zero_w", "kernel"),
    [
        ((1, 4, 4, 16), (4, 1, 1, 16), 0, "ek_fully_connected_s8_mve_twice"),
        ((1, 1, 1, 16), (4, 1, 1, 16), 0, "ek_fully_connected_s8_mve_single_twice"),
        ((1, 4, 4, 12), (4, 1, 1, 12), 0, "ek_conv2d_s8_mve_twice"),
        ((1, 4, 4, 16), (4, 3, 3, 16), 0, "ek_conv2d_s8_mve_twice"),
        ((1, 4, 4, 16), (4, 1, 1, 16), 5, "ek_conv2d_s8_dsp_twice"),
    ],
)
def test_convolutions(x: Shape, w: Shape, zero_w: int, kernel: str) -> None:
    assert _kernel("conv2d", x, w, 0, zero_w) == kernel


@pytest.mark.parametrize(
    ("x", "size", "stride", "kernel"),
    [
        ((1, 6, 6, 8), 3, (1, 1), "ek_depthwise_3x3_s8_mve_twice"),
        ((1, 9, 9, 8), 3, (2, 2), "ek_depthwise_3x3_s8_mve_apart_twice"),
        ((1, 8, 8, 8), 5, (1, 1), "ek_depthwise_5x5_s8_mve_twice"),
        ((1, 9, 9, 8), 5, (2, 2), "ek_depthwise_5x5_s8_mve_apart_twice"),
        ((1, 7, 8, 8), 5, (1, 1), "ek_depthwise_5x5_s8_dsp_twice"),  # three rows of output
        ((1, 6, 6, 6), 3, (1, 1), "ek_depthwise_3x3_s8_dsp_twice"),  # channels beside fours
        ((1, 6, 6, 8), 3, (2, 1), "ek_depthwise_3x3_s8_dsp_twice"),
    ],
)
def test_depthwise(x: Shape, size: int, stride: tuple[int, int], kernel: str) -> None:
    assert _kernel("depthwise_conv2d", x, (size, size, x[3]), 2, 0, stride=stride) == kernel


def test_relu_keeps_the_vectors() -> None:
    shapes = (1, 4, 4, 16), (4, 3, 3, 16)
    assert _kernel("conv2d", *shapes, 0, 0, activation="relu") == "ek_conv2d_s8_mve_twice"
