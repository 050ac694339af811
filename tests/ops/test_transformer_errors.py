"""How far the int8 operators of transformers are from float64 on the same dequantized inputs: what the docs state.

The table of docs/vision-transformers.md holds the bounds. An exact result is at most 0.5 steps of the output off.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph

DOCS = Path(__file__).parents[2] / "docs" / "vision-transformers.md"
WIDTHS = (1, 2, 3, 7, 16, 37, 64, 192, 216, 768)
SCALES = (1e-6, 1e-3, 0.01, 0.07, 3.0)

# A graph, its inputs' codes, and the float64 result for what they stand for.
Sample = tuple[Graph, list[Array], Array]


def real(value: Value, codes: Array) -> Array:
    """float64 of codes, per tensor."""
    assert value.quant is not None
    numbers: Array = (codes.astype(np.float64) - value.quant.zero_point[0]) * value.quant.scale[0]
    return numbers


def rows(rng: np.random.Generator, width: int) -> Array:
    """Rows of codes: random ones, all alike, all alike but one, one outlier, saturating, and small spreads."""
    places = np.arange(width)
    kinds = [
        *rng.integers(-128, 128, (4, width)),
        *(np.full(width, code) for code in (-128, -5, 0, 127)),
        np.where(places == width // 2, 4, 3),
        np.where(places == width // 3, 127, -128),
        np.where(places % 2 == 0, 127, -128),
        *np.clip(np.rint(rng.normal(10, [[1], [30]], (2, width))), -128, 127),
    ]
    return np.stack(kinds).astype(np.int8)


def codes_of(name: str, shape: tuple[int, ...], scale: float, zero: int) -> Value:
    return Value(name, shape, DType.INT8, QuantType.per_tensor(scale, zero))


def result_for(wanted: Array, part: float = 1.0) -> Value:
    """A result that covers the numbers, or a part of their range only."""
    quant = QuantType.covering(part * float(wanted.min(initial=0.0)), part * float(wanted.max(initial=0.0)))
    return Value("y", wanted.shape, DType.INT8, quant)


def one(op: str, inputs: list[Value | None], y: Value, attrs: dict[str, object]) -> Graph:
    computed = [v for v in inputs if v is not None and not v.is_constant]
    return Graph(op, computed, [y], [Node(op, op, inputs, [y], attrs)])


def normalizations(centred: bool) -> Iterator[Sample]:
    """With and without scale and bias, of ordinary sizes and of very different ones."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES):
        for sizes in ((None, None), (1.0, None), (None, 0.5), (1.0, 0.5), (1e-3, 10.0), (30.0, 0.01)):
            rng = np.random.default_rng([index, centred])
            x = rows(rng, width)
            source = codes_of("x", x.shape, scale, int(rng.integers(-128, 128)))
            gamma, beta = (
                None if size is None else rng.normal(middle, 0.5, width).astype(np.float32) * np.float32(size)
                for size, middle in zip(sizes, (1.0, 0.0), strict=True)
            )
            numbers, epsilon = real(source, x), (1e-5, 1e-6, 1e-12)[index % 3]
            numbers = numbers - numbers.mean(axis=1, keepdims=True) if centred else numbers
            numbers = numbers / np.sqrt((numbers**2).mean(axis=1, keepdims=True) + epsilon)
            wanted = numbers * (1.0 if gamma is None else gamma) + (0.0 if beta is None else beta)
            operands = [None if a is None else Value.constant("c", a) for a in (gamma, beta)]
            attrs: dict[str, object] = {"axis": 1, "epsilon": epsilon, "centred": centred}
            yield one("layer_norm", [source, *operands], result_for(wanted, (1.0, 0.5)[index % 2]), attrs), [x], wanted


def variances() -> Iterator[Sample]:
    """Of a model with scales between the steps of a normalization."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES):
        for centred in (True, False):
            x = rows(np.random.default_rng([index, 1]), width)
            source = codes_of("x", x.shape, scale, -60)
            numbers = real(source, x)
            wanted = ((numbers - centred * numbers.mean(axis=1, keepdims=True)) ** 2).mean(axis=1, keepdims=True)
            yield one("int_variance", [source], result_for(wanted), {"centred": centred, "factor": 1.0}), [x], wanted


def row_scales() -> Iterator[Sample]:
    """Rows divided by the root of one code each, for scales that make much and little of it."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES):
        for centred in (True, False):
            rng = np.random.default_rng([index, 2])
            x = rows(rng, width)
            source, single = codes_of("x", x.shape, scale, 5), codes_of("s", (len(x), 1), 0.02 * scale, -128)
            s = rng.integers(-127, 128, single.shape).astype(np.int8)
            numbers = real(source, x)
            wanted = (numbers - centred * numbers.mean(axis=1, keepdims=True)) / np.sqrt(real(single, s))
            with np.errstate(divide="ignore"):
                factors = 1 / np.sqrt(real(single, np.arange(-128, 128)))
            operands = [source, single, Value.constant("factors", factors.astype(np.float32))]
            yield one("int_row_scale", operands, result_for(wanted), {"centred": centred}), [x, s], wanted


def functions(op: str, function: Callable[[Array], Array], **attrs: object) -> Iterator[Sample]:
    """All codes, at scales from tiny to saturating."""
    x = np.arange(-128, 128).astype(np.int8)
    for scale in (1e-6, 1e-3, 0.01, 0.05, 0.3, 3.0):
        for zero in (-128, -20, 0, 127):
            for part in (1.0, 0.25):
                source = codes_of("x", x.shape, scale, zero)
                wanted = function(real(source, x))
                yield one(op, [source], result_for(wanted, part), attrs), [x], wanted


def softmaxes(op: str) -> Iterator[Sample]:
    """Rows that are peaked and flat; the operator fixes the result's scale."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in (0.001, 0.01, 0.1, 0.5, 3.0)):
        x = rows(np.random.default_rng([index, 3]), width)
        source = codes_of("x", x.shape, scale, 7)
        shifted = real(source, x)
        shifted -= shifted.max(axis=1, keepdims=True)
        logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        fixed = spec_of(op).fixed_output_quant
        assert fixed is not None
        y = Value("y", x.shape, DType.INT8, QuantType.per_tensor(*fixed))
        yield one(op, [source], y, {"beta": 1.0}), [x], np.exp(logarithms) if op == "softmax" else logarithms


def scores() -> Iterator[Sample]:
    """Queries times keys, for heads of several widths."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES[1:]):
        rng = np.random.default_rng([index, 4])
        q, k = rows(rng, width)[None], rows(rng, width)[None]
        a, b = codes_of("q", q.shape, scale, -9), codes_of("k", k.shape, 0.02, 30)
        wanted = real(a, q) @ real(b, k).swapaxes(1, 2)
        attrs: dict[str, object] = {"transpose_a": False, "transpose_b": True}
        yield one("int_matmul", [a, b], result_for(wanted, (1.0, 0.5)[index % 2]), attrs), [q, k], wanted


def mixtures() -> Iterator[Sample]:
    """Shares times values, for several numbers of tokens."""
    for index, (tokens, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES):
        rng = np.random.default_rng([index, 5])
        p, v = rows(rng, tokens)[None], rng.integers(-128, 128, (1, tokens, 24)).astype(np.int8)
        a, b = codes_of("p", p.shape, 1 / 256, -128), codes_of("v", v.shape, scale, 11)
        wanted = real(a, p) @ real(b, v)
        attrs: dict[str, object] = {"transpose_a": False, "transpose_b": False}
        yield one("int_matmul", [a, b], result_for(wanted), attrs), [p, v], wanted


def linears() -> Iterator[Sample]:
    """Weights per channel and a bias that fill the range, and columns of very different sizes."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES):
        rng = np.random.default_rng([index, 6])
        x = rows(rng, width)
        source = codes_of("x", x.shape, scale, -30)
        steps = 10.0 ** rng.uniform(-4, 0, 9)
        w, b = rng.integers(-127, 128, (9, width)).astype(np.int8), rng.integers(-40000, 40000, 9).astype(np.int32)
        weights = Value.constant("w", w, QuantType(tuple(steps.tolist()), (0,) * 9, 0))
        bias = Value.constant("b", b, QuantType(tuple((steps * scale).tolist()), (0,) * 9, 0))
        wanted = real(source, x) @ (w * steps[:, None]).T + b * steps * scale
        graph = one("fully_connected", [source, weights, bias], result_for(wanted), {"activation": "none"})
        yield graph, [x], wanted


def sums() -> Iterator[Sample]:
    """Residual sums of operands of one and of very different scales."""
    for index, (width, scale) in enumerate((w, s) for w in WIDTHS for s in (1e-4, 0.01, 0.05, 2.0)):
        rng = np.random.default_rng([index, 7])
        x, y = rows(rng, width), rows(rng, width)[::-1].copy()
        a, b = codes_of("a", x.shape, scale, -128), codes_of("b", y.shape, 0.04, 50)
        wanted = real(a, x) + real(b, y)
        yield one("add", [a, b], result_for(wanted), {"activation": "none"}), [x, y], wanted


def means() -> Iterator[Sample]:
    """Means over all tokens."""
    for index, (tokens, scale) in enumerate((w, s) for w in WIDTHS for s in SCALES):
        x = rows(np.random.default_rng([index, 8]), tokens).T[None].copy()
        source = codes_of("x", x.shape, scale, -7)
        wanted = real(source, x).mean(axis=1)
        attrs: dict[str, object] = {"axes": (1,), "keep_dims": False}
        yield one("int_mean", [source], result_for(wanted), attrs), [x], wanted


def attentions() -> Iterator[Sample]:
    """Scores, softmax and mixture in a row, every one with scales that cover its numbers."""
    for index, (tokens, depth) in enumerate([(16, 16), (49, 24), (50, 64), (144, 32), (196, 54), (197, 64)]):
        rng = np.random.default_rng([index, 9])
        q, k, v = (np.clip(np.rint(rng.normal(0, 40, (tokens, depth))), -128, 127).astype(np.int8) for _ in range(3))
        k[1], k[2], q[3], v[5] = 127, k[3], 0, -128
        values = [codes_of(n, (tokens, depth), s, z) for n, s, z in (("q", 0.03, 4), ("k", 0.025, -9), ("v", 0.02, 15))]
        queries, keys, carried = (real(value, codes) for value, codes in zip(values, (q, k, v), strict=True))
        products, beta = queries @ keys.T, 1 / math.sqrt(depth)
        shares = np.exp(beta * (products - products.max(axis=1, keepdims=True)))
        shares /= shares.sum(axis=1, keepdims=True)
        wanted = shares @ carried
        score, share, y = result_for(products), codes_of("p", products.shape, 1 / 256, -128), result_for(wanted)
        nodes = [
            Node("int_matmul", "score", values[:2], [score], {"transpose_a": False, "transpose_b": True}),
            Node("softmax", "softmax", [score], [share], {"beta": beta}),
            Node("int_matmul", "mix", [share, values[2]], [y], {"transpose_a": False, "transpose_b": False}),
        ]
        yield Graph("attention", values, [y], nodes), [q, k, v], wanted


def sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1.0 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2.0))))


def gelu_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))))


SAMPLES: dict[str, Callable[[], Iterator[Sample]]] = {
    "`layer_norm`": lambda: normalizations(True),
    "`layer_norm`, not centred (RMSNorm)": lambda: normalizations(False),
    "`int_variance`": variances,
    "`int_row_scale`": row_scales,
    "`gelu`": lambda: functions("gelu", gelu),
    "`gelu_tanh`": lambda: functions("gelu_tanh", gelu_tanh),
    "`silu`": lambda: functions("silu", lambda x: x * sigmoid(x), alpha=1.0),
    "`silu` of 1.702 x": lambda: functions("silu", lambda x: x * sigmoid(1.702 * x), alpha=1.702),
    "`softmax`": lambda: softmaxes("softmax"),
    "`int_log_softmax`": lambda: softmaxes("int_log_softmax"),
    "`int_matmul`, scores": scores,
    "`int_matmul`, shares times values": mixtures,
    "`fully_connected`": linears,
    "`add`": sums,
    "`int_mean` over tokens": means,
    "scores, `softmax` and mixture together": attentions,
}
# Held to one step from the rounded result.
WITHIN_ONE = [name for name in SAMPLES if "together" not in name]


def errors(name: str) -> list[tuple[Array, Array]]:
    """(codes, exact result in steps of the output) of every sample, saturated alike."""
    found = []
    for graph, codes, wanted in SAMPLES[name]():
        require_supported_graph(graph)
        y = graph.outputs[0]
        assert y.quant is not None
        steps = np.clip(wanted / y.quant.scale[0] + y.quant.zero_point[0], -128, 127)
        found.append((run_reference(graph, codes)[y].astype(np.float64), steps))
    return found


def stated() -> dict[str, tuple[float, float]]:
    """(largest, mean) error of each operator in the docs' table."""
    lines = re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) \|$", DOCS.read_text(), re.MULTILINE)
    return {name: (float(largest), float(mean)) for name, largest, mean in lines if name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_error_is_as_stated(name: str) -> None:
    found = errors(name)
    apart = np.concatenate([np.abs(codes - steps).reshape(-1) for codes, steps in found])
    for got, bound in zip((apart.max(), apart.mean()), stated()[name], strict=True):
        assert bound - 0.02 <= got <= bound, f"{name}: largest {apart.max():.4f}, mean {apart.mean():.4f}"
    if name in WITHIN_ONE:
        assert max(np.abs(codes - np.rint(steps)).max() for codes, steps in found) <= 1
