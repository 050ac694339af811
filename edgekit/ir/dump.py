"""A stable text form of a graph, for `--dump` and golden tests. Values are numbered in order of appearance."""

from __future__ import annotations

import hashlib
from typing import Any

from edgekit.ir.graph import Graph, Value


def dump_graph(graph: Graph) -> str:
    """One line per value and node; constants by type, shape and a short hash of their bytes."""
    numbers = {value: index for index, value in enumerate(graph.values())}

    def ref(value: Value | None) -> str:
        return "none" if value is None else f"%{numbers[value]}"

    lines = [f"graph {graph.name!r}"]
    lines += [f"  input {ref(v)}: {_type(v)} {v.name!r}" for v in graph.inputs]
    lines += [f"  const {ref(v)}: {_type(v)} #{_digest(v)}" for v in numbers if v.is_constant]
    for node in graph.nodes:
        attrs = "".join(f" {k}={_attr(node.attrs[k])}" for k in sorted(node.attrs))
        outs = ", ".join(f"{ref(v)}: {_type(v)}" for v in node.outputs)
        lines.append(f"  {outs} = {node.op}({', '.join(ref(v) for v in node.inputs)}){attrs}  # {node.name!r}")
    lines += [f"  output {ref(v)}" for v in graph.outputs]
    return "\n".join(lines) + "\n"


def _type(value: Value) -> str:
    text = f"{value.dtype.value}[{','.join(map(str, value.shape))}]"
    if value.quant is None:
        return text
    if value.quant.is_per_tensor:
        grid = value.quant.grid
        uneven = "" if grid is None else f",grid({grid.bits},{grid.exponent:.9g},{grid.zero},{grid.largest})"
        return f"{text} q({value.quant.scale[0]:.9g},{value.quant.zero_point[0]}{uneven})"
    return f"{text} q(axis={value.quant.axis},n={len(value.quant.scale)})"


def _digest(value: Value) -> str:
    return hashlib.sha256(value.array.tobytes()).hexdigest()[:12]


def _attr(attr: Any) -> str:
    return "[" + ",".join(_attr(a) for a in attr) + "]" if isinstance(attr, (list, tuple)) else str(attr)
