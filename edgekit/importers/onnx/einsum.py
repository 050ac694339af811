"""Einsum as diagonals, sums, matrix products and transpositions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.importers.onnx.builder import Layer
from edgekit.ir import Value

Labels = tuple[str, ...]


def einsum(layer: Layer) -> Value:
    """One operand after the other: labels that only it has are summed, the rest goes into a matrix product."""
    operands = [layer.value(i) for i in range(len(layer.record.inputs))]
    terms, result = _parsed(layer, [len(v.shape) for v in operands])
    sizes: dict[str, int] = {}
    for labels, value in zip(terms, operands, strict=True):
        for label, size in zip(labels, value.shape, strict=True):
            if sizes.setdefault(label, size) not in (size, 1) and size != 1:
                raise layer.bad(f"axes of {sizes[label]} and {size} have one label")
            sizes[label] = max(sizes[label], size)
    y, labels = _diagonals(layer, operands[0], terms[0])
    for index in range(1, len(operands)):
        later = {label for term in terms[index + 1 :] for label in term} | set(result)
        other, other_labels = _diagonals(layer, operands[index], terms[index])
        y, labels = _sum(layer, y, labels, later | set(other_labels))
        other, other_labels = _sum(layer, other, other_labels, later | set(labels))
        y, labels = _product(layer, (y, labels), (other, other_labels), later)
    y, labels = _sum(layer, y, labels, set(result))
    missing = [label for label in result if label not in labels]
    if missing:
        raise layer.bad(f"the result has labels that no operand has: {missing}")
    return layer.transpose(y, [labels.index(label) for label in result], "")


def _parsed(layer: Layer, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of every operand and of the result; those of an ellipsis are numbered from behind."""
    equation = layer.str_attr("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    texts = left.split(",")
    if len(texts) != len(ranks):
        raise layer.bad(f"equation {equation!r} does not have {len(ranks)} operands")
    terms = [_labels(layer, text, rank) for text, rank in zip(texts, ranks, strict=True)]
    rest = max((len([x for x in term if x.startswith(".")]) for term in terms), default=0)
    every = [label for term in terms for label in term]
    if arrow:
        return terms, _labels(layer, right, len(right.replace("...", "")) + (rest if "..." in right else 0))
    ellipsis = tuple(f".{i}" for i in reversed(range(rest)))
    return terms, ellipsis + tuple(sorted(x for x in set(every) if every.count(x) == 1 and not x.startswith(".")))


def _labels(layer: Layer, text: str, rank: int) -> Labels:
    before, ellipsis, after = text.partition("...")
    rest = rank - len(before) - len(after)
    if (not (before + after).isalpha() and before + after) or rest < 0 or (rest and not ellipsis):
        raise layer.bad(f"term {text!r} of the equation does not fit {rank} axes")
    return (*before, *(f".{i}" for i in reversed(range(rest))), *after)


def _diagonals(layer: Layer, x: Value, labels: Labels) -> tuple[Value, Labels]:
    """Every label once: of axes with one label the diagonal."""
    while len(set(labels)) < len(labels):
        first = next(i for i, label in enumerate(labels) if label in labels[i + 1 :])
        second = labels.index(labels[first], first + 1)
        size = x.shape[first]
        if x.shape[second] != size:
            raise layer.bad(f"axes of {size} and {x.shape[second]} have one label")
        stay = [a for a in range(len(labels)) if a not in (first, second)]
        shape = [x.shape[a] for a in stay]
        moved = layer.reshape(layer.transpose(x, [*stay, first, second], "pair"), (*shape, size * size), "line")
        zeros, ones = (0,) * len(stay), (1,) * len(stay)
        attrs = {"starts": (*zeros, 0), "steps": (*ones, size + 1), "sizes": (*shape, size)}
        x, labels = layer.emit("slice", [moved], attrs, "diagonal"), (*(labels[a] for a in stay), labels[first])
    return x, labels


def _sum(layer: Layer, x: Value, labels: Labels, kept: set[str]) -> tuple[Value, Labels]:
    """The sum over all labels that nothing else needs."""
    axes = tuple(a for a, label in enumerate(labels) if label not in kept)
    if axes:
        x = layer.emit("reduce_sum", [x], {"axes": axes, "keep_dims": False}, "sum")
    return x, tuple(label for label in labels if label in kept)


def _product(
    layer: Layer, left: tuple[Value, Labels], right: tuple[Value, Labels], later: set[str]
) -> tuple[Value, Labels]:
    """A batched matrix product: labels of both are batches where they are needed later, else summed over."""
    (a, a_labels), (b, b_labels) = left, right
    batch = [x for x in a_labels if x in b_labels and x in later]
    summed = [x for x in a_labels if x in b_labels and x not in later]
    rows, columns = [x for x in a_labels if x not in b_labels], [x for x in b_labels if x not in a_labels]
    a_sizes, b_sizes = dict(zip(a_labels, a.shape, strict=True)), dict(zip(b_labels, b.shape, strict=True))
    if any(a_sizes[x] != b_sizes[x] for x in summed):
        raise layer.unsupported("a sum over an axis that is broadcast", "expand it before")
    a = layer.transpose(a, [a_labels.index(x) for x in (*batch, *rows, *summed)], "left")
    b = layer.transpose(b, [b_labels.index(x) for x in (*batch, *summed, *columns)], "right")
    m, n, k = (
        math.prod(s[x] for x in part) for s, part in ((a_sizes, rows), (b_sizes, columns), (a_sizes, summed))
    )  # fmt: skip
    a = layer.reshape(a, (*(a_sizes[x] for x in batch), m, k), "left matrix")
    b = layer.reshape(b, (*(b_sizes[x] for x in batch), k, n), "right matrix")
    y = layer.emit("matmul", [a, b], {"transpose_a": False, "transpose_b": False}, "product")
    both = [max(a_sizes[x], b_sizes[x]) for x in batch]
    shape = (*both, *(a_sizes[x] for x in rows), *(b_sizes[x] for x in columns))
    return layer.reshape(y, shape, "axes"), (*batch, *rows, *columns)
