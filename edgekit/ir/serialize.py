"""A graph as files (graph.json and weights.npz), so that a build can be validated again later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir.codebook import Codebook
from edgekit.ir.graph import Graph, Node, Value
from edgekit.ir.types import DType, Grid, QuantType

VERSION = 4


def save_graph(graph: Graph, folder: Path) -> None:
    """Write graph.json and weights.npz into `folder`."""
    values = list(graph.values())
    number = {value: index for index, value in enumerate(values)}
    arrays: dict[str, Any] = {f"v{number[v]}": v.array for v in values if v.is_constant}
    text = {
        "version": VERSION,
        "name": graph.name,
        "values": [_value_record(v) for v in values],
        "nodes": [
            {
                "op": n.op,
                "name": n.name,
                "inputs": [None if v is None else number[v] for v in n.inputs],
                "outputs": [number[v] for v in n.outputs],
                "attrs": n.attrs,
            }
            for n in graph.nodes
        ],
        "inputs": [number[v] for v in graph.inputs],
        "outputs": [number[v] for v in graph.outputs],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "graph.json").write_text(json.dumps(text, indent=1) + "\n")
    # One uncompressed file with fixed time stamps: the same graph gives the same bytes.
    np.savez(folder / "weights.npz", **arrays)


def load_graph(folder: Path) -> Graph:
    """Read what `save_graph` wrote; raises BadUsage where the folder holds no such graph."""
    try:
        text = json.loads((folder / "graph.json").read_text())
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            values = [_value(i, record, arrays) for i, record in enumerate(text["values"])]
        if text["version"] != VERSION:
            raise BadUsage(f"{folder} was written by another version of edgekit: build it again")
        nodes = [
            Node(
                n["op"],
                n["name"],
                [None if i is None else values[i] for i in n["inputs"]],
                [values[i] for i in n["outputs"]],
                {k: tuple(a) if isinstance(a, list) else a for k, a in n["attrs"].items()},
            )
            for n in text["nodes"]
        ]
        return Graph(text["name"], [values[i] for i in text["inputs"]], [values[i] for i in text["outputs"]], nodes)
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise BadUsage(f"{folder} holds no graph of a build ({type(error).__name__}): build it again") from error


def _value_record(value: Value) -> dict[str, Any]:
    quant = value.quant
    return {
        "name": value.name,
        "shape": value.shape,
        "dtype": value.dtype.value,
        "constant": value.is_constant,
        "quant": None if quant is None else _quant_record(quant),
    }


def _quant_record(quant: QuantType) -> dict[str, Any]:
    book, grid = quant.codebook, quant.grid
    return {
        "scale": quant.scale,
        "zero": quant.zero_point,
        "axis": quant.axis,
        "codebook": None if book is None else [book.bits, book.levels, book.group],
        "grid": None if grid is None else [grid.bits, grid.exponent, grid.zero, grid.largest],
    }


def _quant(record: dict[str, Any]) -> QuantType:
    book = record["codebook"]
    codebook = None if book is None else Codebook(book[0], tuple(map(tuple, book[1])), book[2])
    grid = None if record["grid"] is None else Grid(*record["grid"])
    return QuantType(tuple(record["scale"]), tuple(record["zero"]), record["axis"], codebook, grid)


def _value(index: int, record: dict[str, Any], arrays: Any) -> Value:
    quant = record["quant"]
    kind = None if quant is None else _quant(quant)
    data = arrays[f"v{index}"] if record["constant"] else None
    return Value(record["name"], record["shape"], DType(record["dtype"]), kind, data)
