"""Random small graphs of random operators, shapes valid by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit.ir import DType, Graph, Node, Value
from edgekit.ops import spec_of
from tests.fuzz.choices import Choices

# Functions that neither amplify rounding nor have poles near ordinary numbers, with their attributes.
SMOOTH: tuple[tuple[str, dict[str, Any]], ...] = (
    ("relu", {}), ("relu6", {}), ("clip", {"low": -1.0, "high": 2.0}), ("sigmoid", {}), ("tanh", {}),
    ("leaky_relu", {"alpha": 0.125}), ("elu", {"alpha": 1.0}), ("gelu", {}), ("hard_swish", {}), ("softplus", {}),
    ("abs", {}), ("neg", {}), ("erf", {}), ("atan", {}), ("softsign", {}),
)  # fmt: skip
# Functions of whole numbers with whole results.
WHOLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("relu", {}), ("relu6", {}), ("clip", {"low": -3.0, "high": 5.0}), ("abs", {}), ("neg", {}), ("sign", {}),
    ("floor", {}), ("ceil", {}), ("round", {}), ("thresholded_relu", {"alpha": 1.0}),
)  # fmt: skip
ACTIVATIONS = ("none", "none", "relu", "relu6", "relu_n1_to_1")
MAX_ELEMENTS = 512
LARGEST_WHOLE = 2.0**20


class _Maker:
    """Grows a graph; `bound` is the largest magnitude a value can have, so that whole numbers stay exact in float32."""

    def __init__(self, choices: Choices, exact: bool) -> None:
        self.c, self.exact = choices, exact
        self.nodes: list[Node] = []
        self.bound: dict[Value, float] = {}
        self.inputs = [self._input(i) for i in range(choices.between(1, 2))]
        self.values = list(self.inputs)

    def _input(self, index: int) -> Value:
        rank = self.c.one((4, 4, 4, 2, 3, 1))
        shape = [self.c.one((1, 2, 3, 4, 5, 6)) for _ in range(rank)]
        shape[0] = 1 if rank == 4 and not self.c.chance(4) else shape[0]
        value = Value(f"x{index}", shape, DType.FLOAT32)
        self.bound[value] = 4.0
        return value

    def constant(self, shape: Sequence[int]) -> Value:
        rng = self.c.rng()
        array = rng.integers(-2, 3, shape) if self.exact else rng.normal(0, 0.6, shape)
        if self.c.chance(8):
            array = np.zeros_like(array)
        value = Value.constant(f"c{len(self.nodes)}", np.asarray(array, np.float32))
        self.bound[value] = 2.0
        return value

    def emit(self, op: str, inputs: Sequence[Value | None], attrs: dict[str, Any], bound: float | None = None) -> Value:
        """A node; its result may be read by later ones."""
        count = attrs.pop("_outputs", 1)
        outputs = [Value(f"v{len(self.nodes)}", (), DType.FLOAT32) for _ in range(count)]
        node = Node(op, f"n{len(self.nodes)}", inputs, outputs, attrs)
        spec = spec_of(op)
        for value, shape, dtype in zip(outputs, spec.infer(node), spec.infer_types(node), strict=True):
            value.shape, value.dtype = tuple(shape), dtype
        largest = max((self.bound[v] for v in inputs if v is not None), default=4.0)
        self.bound[outputs[0]] = largest if bound is None else bound
        self.nodes.append(node)
        self.values.append(outputs[0])
        return outputs[0]

    def pick(self, rank: int | None = None) -> Value:
        """A value to read, mostly a recent one; of the rank if there is any."""
        fit = [v for v in self.values if (rank is None or len(v.shape) == rank) and v.dtype is DType.FLOAT32]
        if not fit:
            source = self.pick()
            shape = (1,) * max(rank - 1, 0) + (source.elements,) if rank else (source.elements,)
            return self.emit("reshape", [source], {"shape": shape})
        return fit[-1 - self.c.below(min(len(fit), 4))]


def _elementwise(m: _Maker) -> None:
    op, attrs = m.c.one(WHOLE if m.exact else SMOOTH)
    x = m.pick()
    m.emit(op, [x], dict(attrs), max(m.bound[x], 6.0))


def _binary(m: _Maker) -> None:
    op = m.c.one(("add", "sub", "mul", "max", "min") if m.exact else ("add", "sub", "mul", "max", "min", "div"))
    a = m.pick()
    kind = m.c.below(4)
    if kind == 0:
        b = m.constant([1 if m.c.chance(2) else d for d in a.shape])
    elif kind == 1:
        b = m.constant(a.shape[-1:])
    elif kind == 2:
        b = m.constant(())
    else:
        same = [v for v in m.values if v.shape == a.shape and v.dtype is a.dtype]
        b = m.c.one(same)
    if op == "div":
        b = Value.constant("c", np.full(b.shape, 0.5 + m.c.below(8), np.float32))
        m.bound[b] = 1.0
    operands = [b, a] if m.c.chance(4) and op != "div" else [a, b]
    attrs = {} if op in ("max", "min") else {"activation": m.c.one(ACTIVATIONS)}
    product = m.bound[a] * m.bound[b] if op == "mul" else m.bound[a] + m.bound[b]
    if m.exact and product > LARGEST_WHOLE:
        return
    m.emit(op, operands, attrs, product)


def _window(m: _Maker, x: Value, kernel: Sequence[int]) -> dict[str, Any] | None:
    padding = tuple(m.c.below(max(1, k)) for k in (*kernel, *kernel))
    dilation = (1 + m.c.below(2), 1 + m.c.below(2))
    for axis in range(2):
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        if x.shape[1 + axis] + padding[axis] + padding[axis + 2] < reach:
            return None
    stride = (1 + m.c.below(2), 1 + m.c.below(2))
    return {"stride": stride, "padding": padding, "dilation": dilation, "activation": m.c.one(ACTIVATIONS)}


def _convolution(m: _Maker) -> None:
    x = m.pick(4)
    kernel = (m.c.between(1, 3), m.c.between(1, 3))
    attrs = _window(m, x, kernel)
    if attrs is None:
        return
    channels = x.shape[3]
    if m.c.chance(2):
        out, weights, op = channels * m.c.between(1, 2), None, "depthwise_conv2d"
        weights = m.constant((*kernel, out))
        terms = kernel[0] * kernel[1]
    else:
        out, op = m.c.between(1, 5), "conv2d"
        weights = m.constant((out, *kernel, channels))
        terms = kernel[0] * kernel[1] * channels
    bound = m.bound[x] * 2 * terms + 2
    if m.exact and bound > LARGEST_WHOLE:
        return
    bias = m.constant((out,)) if m.c.chance(2) else None
    m.emit(op, [x, weights] + ([bias] if bias else []), attrs, bound)


def _fully_connected(m: _Maker) -> None:
    x = m.pick()
    if not x.shape:
        return
    bound = m.bound[x] * 2 * x.shape[-1] + 2
    if m.exact and bound > LARGEST_WHOLE:
        return
    out = m.c.between(1, 5)
    bias = [m.constant((out,))] if m.c.chance(2) else []
    m.emit("fully_connected", [x, m.constant((out, x.shape[-1])), *bias], {"activation": m.c.one(ACTIVATIONS)}, bound)


def _pool(m: _Maker) -> None:
    x = m.pick(4)
    kernel = (m.c.between(1, 3), m.c.between(1, 3))
    attrs = _window(m, x, kernel)
    if attrs is None:
        return
    attrs |= {"kernel": kernel, "dilation": (1, 1)}
    if m.exact or m.c.chance(2):
        m.emit("max_pool2d", [x], attrs, max(m.bound[x], 6.0))
    else:
        m.emit("avg_pool2d", [x], attrs | {"count_padding": m.c.chance(4)})


def _reduction(m: _Maker) -> None:
    x = m.pick()
    axes = tuple(a for a in range(len(x.shape)) if m.c.chance(2))
    attrs: dict[str, Any] = {"axes": axes, "keep_dims": m.c.chance(2)}
    kind = m.c.below(4)
    if kind == 0 and not m.exact and axes:
        m.emit("mean", [x], attrs)
    elif kind == 1 and m.bound[x] * x.elements < LARGEST_WHOLE:
        m.emit("reduce_sum", [x], attrs, m.bound[x] * x.elements)
    else:
        m.emit("reduce_max" if kind == 2 else "reduce_min", [x], attrs)


def _softmax(m: _Maker) -> None:
    x = m.pick()
    if x.shape and not m.exact:
        m.emit("softmax", [x], {"beta": 1.0}, 1.0)


def _reshape(m: _Maker) -> None:
    x = m.pick()
    kind = m.c.below(5)
    if kind == 0:
        shape: tuple[int, ...] = (1, x.elements)
    elif kind == 1:
        shape = tuple(d for d in x.shape if d != 1)
    elif kind == 2 and len(x.shape) < 6:
        at = m.c.below(len(x.shape) + 1)
        shape = (*x.shape[:at], 1, *x.shape[at:])
    elif kind == 3 and len(x.shape) > 1:
        at = m.c.below(len(x.shape) - 1)
        shape = (*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :])
    else:
        factors = [d for d in (2, 3, 4) if x.elements % d == 0]
        shape = (1, *((m.c.one(factors), -1) if factors else (-1,)))
        known = int(np.prod([d for d in shape if d > 0]))
        shape = tuple(x.elements // known if d < 0 else d for d in shape)
    m.emit("reshape", [x], {"shape": shape})


def _transpose(m: _Maker) -> None:
    x = m.pick()
    if len(x.shape) == 4 and not m.c.chance(3):
        perm = m.c.one(((0, 2, 3, 1), (0, 3, 1, 2)))
    else:
        rest = list(range(len(x.shape)))
        perm = tuple(rest.pop(m.c.below(len(rest))) for _ in range(len(x.shape)))
    m.emit("transpose", [x], {"perm": perm})


def _concat(m: _Maker) -> None:
    x = m.pick()
    if not x.shape:
        return
    axis = m.c.below(len(x.shape))
    rest = x.shape[:axis], x.shape[axis + 1 :]
    alike = [v for v in m.values if len(v.shape) == len(x.shape) and (v.shape[:axis], v.shape[axis + 1 :]) == rest]
    parts: list[Value] = [x, *(m.c.one(alike) for _ in range(m.c.between(1, 2)))]
    if m.c.chance(4):
        parts.append(m.constant(x.shape))
    if sum(p.elements for p in parts) <= MAX_ELEMENTS and all(p.dtype is DType.FLOAT32 for p in parts):
        m.emit("concat", parts, {"axis": axis})


def _slice(m: _Maker) -> None:
    x = m.pick()
    starts, steps, sizes = [], [], []
    for extent in x.shape:
        size, step = m.c.between(1, extent), m.c.one((1, 1, 2, -1))
        size = 1 + (extent - 1) // 2 if step == 2 and size > 1 + (extent - 1) // 2 else size
        slack = extent - 1 - (size - 1) * abs(step)
        start = m.c.below(slack + 1)
        starts.append(start if step > 0 else start + (size - 1))
        steps.append(step)
        sizes.append(size)
    m.emit("slice", [x], {"starts": tuple(starts), "steps": tuple(steps), "sizes": tuple(sizes)})


def _grow(m: _Maker) -> None:
    x = m.pick()
    kind = m.c.below(4)
    if kind == 0:
        shape = tuple(m.c.between(1, 3) if d == 1 else d for d in x.shape)
        if int(np.prod(shape)) <= MAX_ELEMENTS:
            m.emit("expand", [x], {"shape": shape})
    elif kind == 1:
        repeats = tuple(m.c.between(1, 2) for _ in x.shape)
        if x.elements * int(np.prod(repeats)) <= MAX_ELEMENTS:
            m.emit("tile", [x], {"repeats": repeats})
    elif kind == 2:
        before, after = (tuple(m.c.below(3) for _ in x.shape) for _ in range(2))
        if int(np.prod([d + b + a for d, b, a in zip(x.shape, before, after, strict=True)])) <= MAX_ELEMENTS:
            m.emit("pad", [x], {"before": before, "after": after, "value": float(m.c.below(3))})
    elif len(x.shape) == 4 and x.elements * 4 <= MAX_ELEMENTS:
        m.emit("resize_nearest", [x], {"factors": (m.c.between(1, 2), m.c.between(1, 2))})


def _gather(m: _Maker) -> None:
    x = m.pick()
    if not x.shape:
        return
    axis = m.c.below(len(x.shape))
    indices = m.c.rng().integers(-x.shape[axis], x.shape[axis], (m.c.between(1, 4),)).astype(np.int32)
    value = Value.constant("i", indices)
    m.bound[value] = 1.0
    m.emit("gather", [x, value], {"axis": axis}, m.bound[x])


def _choice(m: _Maker) -> None:
    """A comparison and a choice by it: only of whole numbers, where no rounding can turn it."""
    if not m.exact:
        return
    a = m.pick()
    op = m.c.one(("less", "less_equal", "equal"))
    condition = m.emit(op, [a, m.constant(())], {}, 1.0)
    m.emit("where", [condition, a, m.constant(a.shape)], {}, m.bound[a] + 2.0)


def _running_sum(m: _Maker) -> None:
    x = m.pick()
    if not x.shape or m.bound[x] * x.elements > LARGEST_WHOLE:
        return
    attrs = {"axis": m.c.below(len(x.shape)), "exclusive": m.c.chance(2), "reverse": m.c.chance(2)}
    m.emit("cum_sum", [x], attrs, m.bound[x] * x.elements)


def _power(m: _Maker) -> None:
    """A power of what is never negative: only of real numbers, and a small one."""
    if not m.exact:
        base = m.emit("relu6", [m.pick()], {}, 6.0)
        exponent = Value.constant("e", np.full((), 0.5 + m.c.below(3), np.float32))
        m.bound[exponent] = 3.0
        m.emit("pow", [base, exponent], {}, 250.0)


def _convolution_of_planes(m: _Maker) -> None:
    """A convolution in the file's layout, then the maxima of its result."""
    x = m.pick(5)
    kernel = tuple(m.c.between(1, min(2, d)) for d in x.shape[2:])
    bound = m.bound[x] * 2 * x.shape[1] * 8 + 2
    if m.exact and bound > LARGEST_WHOLE:
        return
    window = {"stride": (1, 1, 1), "dilation": (1, 1, 1), "padding": tuple(m.c.below(k) for k in kernel * 2)}
    weights = m.constant((m.c.between(1, 4), x.shape[1], *kernel))
    y = m.emit("conv", [x, weights], {**window, "groups": 1}, bound)
    window |= {"kernel": (1, 1, 1), "padding": (0,) * 6, "overhang": (0, 0, 0), "column_major": False}
    m.emit("max_pool", [y], window, bound)


STEPS: tuple[Callable[[_Maker], None], ...] = (
    _elementwise, _elementwise, _binary, _binary, _convolution, _convolution, _fully_connected, _pool, _reduction,
    _softmax, _reshape, _reshape, _transpose, _transpose, _transpose, _concat, _slice, _grow, _gather, _choice,
    _running_sum, _power, _convolution_of_planes,
)  # fmt: skip


def random_graph(choices: Choices, exact: bool) -> Graph:
    """A graph of up to 16 nodes; with `exact`, of whole numbers small enough that float32 holds every result."""
    maker = _Maker(choices, exact)
    while choices.left > 0 and len(maker.nodes) < 16:
        choices.one(STEPS)(maker)
    if not maker.nodes:
        maker.emit("relu", [maker.values[0]], {})
    unread = [v for v in maker.values if not v.uses and v.producer is not None]
    outputs = list(unread) if choices.chance(2) or len(unread) < 2 else unread[-1:]
    more = [v for v in maker.values if v.producer is not None and v not in outputs]
    if more and choices.chance(4):
        outputs.append(choices.one(more))
    return Graph("random", maker.inputs, outputs, maker.nodes)
