"""grid_sample: elements of plain numbers at computed positions between the grid's points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops import math_f32 as m
from edgekit.ops.spatial import MAX_SPATIAL, at, plain_floats
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, single_node_graph

MODES = ("nearest", "linear", "cubic")
PADDINGS = ("zeros", "border", "reflection")
# Positions beyond this, and NaN, are as far outside as this.
FAR = np.float32(1 << 22)
F32 = np.float32


@dataclass(frozen=True)
class Taps:
    """Along one axis: which elements a position takes (-1: a zero outside), and how much of each; [.., T] each."""

    places: Array
    weights: Array


def taps_at(position: Array, size: int, mode: str, padding: str, aligned: bool) -> Taps:
    """The taps of float32 positions in units of elements."""
    x = np.where(position == position, np.clip(position, -FAR, FAR), -FAR).astype(F32)
    if mode == "nearest":
        x = m.round_half_even(x)
    low, high = (F32(0), F32(size - 1)) if aligned else (F32(-0.5), F32(size) - F32(0.5))
    if padding == "border":
        x = np.where((x < low) | (x > high), np.clip(x, F32(0), F32(size - 1)), x)
    elif padding == "reflection":
        x = _reflected(x, low, high)
    first = np.floor(x).astype(np.int64)
    fraction = (x - first.astype(F32)).astype(F32)
    weights = {"nearest": _nearest, "linear": _linear, "cubic": _cubic}[mode](fraction)
    start = -1 if mode == "cubic" else 0
    places = first[..., None] + np.arange(start, start + weights.shape[-1])
    if padding == "border":
        places = np.clip(places, 0, size - 1)
    elif padding == "reflection":
        places = _mirrored(places, size, aligned)
    return Taps(np.where((places < 0) | (places >= size), -1, places), weights)


def _reflected(x: Array, low: np.float32, high: np.float32) -> Array:
    """x folded into [low, high] at both ends."""
    span = high - low
    if span <= 0:
        return np.full_like(x, low)
    beyond = np.where(x < low, low - x, np.where(x > high, x - high, F32(0))).astype(F32)
    turns = np.floor(beyond / span).astype(np.int64)
    rest = (beyond - turns.astype(F32) * span).astype(F32)
    upward = (x < low) == (turns % 2 == 0)
    folded = np.where(upward, low + rest, high - rest).astype(F32)
    return np.where((x < low) | (x > high), folded, x).astype(F32)


def _mirrored(places: Array, size: int, aligned: bool) -> Array:
    """Whole positions folded into the axis; the end itself is hit once where corners are aligned, else twice."""
    period = max(2 * (size - 1), 1) if aligned else 2 * size
    folded = places % period
    return np.where(folded < size, folded, period - folded - (0 if aligned else 1))


def _nearest(t: Array) -> Array:
    return np.ones((*t.shape, 1), F32)


def _linear(t: Array) -> Array:
    return np.stack([F32(1) - t, t], axis=-1).astype(F32)


def _cubic(t: Array) -> Array:
    def far(d: Array) -> Array:
        return np.asarray(((F32(-0.75) * d + F32(3.75)) * d - F32(6)) * d + F32(3), F32)

    def near(d: Array) -> Array:
        return np.asarray((F32(1.25) * d - F32(2.25)) * d * d + F32(1), F32)

    return np.stack([far(t + F32(1)), near(t), near(F32(1) - t), far(F32(2) - t)], axis=-1).astype(F32)


def sampled(x: Array, taps: Sequence[Taps]) -> Array:
    """x [.., D, H, W] at points: per axis sums that start at 0, the last axis innermost.

    The taps of all three axes are [P, T]; the result is [.., P].
    """

    def along(axis: int, places: tuple[Array, ...]) -> Array:
        if axis == MAX_SPATIAL:
            inside = (np.stack(places) >= 0).all(axis=0)
            return np.asarray(np.where(inside, x[at(..., *places)], F32(0)))
        total: Array = np.zeros((), F32)
        for tap in range(taps[axis].weights.shape[-1]):
            total = total + taps[axis].weights[..., tap] * along(axis + 1, (*places, taps[axis].places[..., tap]))
        return total

    with np.errstate(all="ignore"):
        return np.asarray(along(0, ()), F32)


class GridSample(OpSpec):
    """Inputs x [N,C,*S], grid [N,*P,R] of positions from -1 to 1, last axis of x first; attrs mode, padding, aligned
    (whether -1 and 1 are the centres of the outer elements, or their outer edges).
    """

    name = "grid_sample"
    summary = "sampling at computed positions, nearest, linear or cubic, over 1 to 3 axes"
    onnx = ("GridSample", "AffineGrid")
    rewrite = "use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_floats,)

    def infer(self, node: Node) -> list[Shape]:
        x, grid = node.input(0).shape, node.input(1).shape
        axes = len(x) - 2
        if not 1 <= axes <= MAX_SPATIAL or len(grid) != len(x) or grid[0] != x[0] or grid[-1] != axes:
            raise bad_shape(node, "needs one position per axis and point, of at most 3 axes")
        if node.attrs["mode"] not in MODES or node.attrs["padding"] not in PADDINGS or min(x) < 1:
            raise bad_shape(node, "needs a known mode and padding, and an input that is not empty")
        return [(*x[:2], *grid[1:-1])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, grid = inputs
        assert x is not None and grid is not None
        axes, aligned = x.ndim - 2, bool(node.attrs["aligned"])
        volume = x.reshape(*x.shape[:2], *(1,) * (MAX_SPATIAL - axes), *x.shape[2:])
        points = grid.reshape(x.shape[0], -1, axes)
        y = np.empty((*x.shape[:2], points.shape[1]), F32)
        ones = Taps(np.zeros((points.shape[1], 1), np.int64), np.ones((points.shape[1], 1), F32))
        for n in range(x.shape[0]):
            taps = [ones] * (MAX_SPATIAL - axes)
            for axis in range(axes):
                size = x.shape[2 + axis]
                with np.errstate(all="ignore"):
                    position = _denormalized(points[n, :, axes - 1 - axis], size, aligned)
                taps.append(taps_at(position, size, node.attrs["mode"], node.attrs["padding"], aligned))
            y[n] = sampled(volume[n], taps)
        return [y.reshape(node.output.shape)]

    def macs(self, node: Node) -> int:
        taps = {"nearest": 1, "linear": 2, "cubic": 4}[node.attrs["mode"]]
        return node.output.elements * int(taps ** (len(node.input(0).shape) - 2))

    def cases(self) -> Iterable[Case]:
        for shape, points in (((2, 3, 4, 5), (3, 4)), ((1, 2, 3, 2, 4), (2, 3, 2)), ((1, 2, 6), (9,))):
            for mode in MODES:
                for padding in PADDINGS:
                    aligned = (len(mode) + len(padding) + len(shape)) % 2 == 0
                    rng = np.random.default_rng(2500 + len(shape))
                    axes = len(shape) - 2
                    grid = rng.uniform(-2.5, 2.5, (shape[0], *points, axes)).astype(F32)
                    flat = grid.reshape(-1)
                    flat[:9] = [np.nan, np.inf, -np.inf, 1e30, -1.0, 1.0, 0.0, -1.5, 3.0]
                    values = [Value("x", shape, DType.FLOAT32), Value("grid", grid.shape, DType.FLOAT32)]
                    y = Value("y", (*shape[:2], *points), DType.FLOAT32)
                    attrs: dict[str, object] = {"mode": mode, "padding": padding, "aligned": aligned}
                    graph = single_node_graph(self.name, values, [y], attrs)
                    data = rng.normal(0, 1, shape).astype(F32)
                    yield Case(f"{axes}d_{mode}_{padding}", graph, ((data, grid),))


def _denormalized(n: Array, size: int, aligned: bool) -> Array:
    if aligned:
        return np.asarray((n + F32(1)) * F32(0.5) * F32(size - 1), F32)
    return np.asarray(((n + F32(1)) * F32(size) - F32(1)) * F32(0.5), F32)


def volume_of(shape: Shape) -> int:
    """How many points a grid has per sample."""
    return math.prod(shape[1:-1])
