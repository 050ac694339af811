"""All that `edgekit analyze` says of a model, as one record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.boards import Board
from edgekit.errors import UnsupportedModel
from edgekit.forecast.boards import Forecast, Forecaster, smallest
from edgekit.forecast.model import built_form
from edgekit.forecast.problems import problems_of
from edgekit.importers import import_model, layer_types
from edgekit.ir import Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.effort import require_moderate
from edgekit.passes import optimise


def analyze(path: Path, shapes: dict[str, list[int]], precision: str, boards: Sequence[Board]) -> dict[str, Any]:
    """Layers, sizes, what is not supported, and a forecast per board, smallest first (see docs/analyze.md).

    Where something is not supported, `unsupported` names every layer and there is no forecast. Raises BadModel and
    BadUsage for what cannot be read at all.
    """
    report: dict[str, Any] = {
        "schema": 1, "model": path.stem, "precision": precision, "inputs": [], "outputs": [], "macs": None,
        "parameters": None, "weight_bytes": None, "weights_for": None, "layers": [], "unsupported": [], "boards": [],
        "smallest_board": None,
    }  # fmt: skip
    try:
        graph = optimise(import_model(path, shapes, literal=precision == "float32"))
        require_moderate(graph)
        report |= _described(graph, layer_types(path), None)
        built = built_form(graph, path.name, precision)
        forecaster = Forecaster(built, floats=precision == "float32")
        ordered = sorted(boards, key=lambda b: (b.ram_total, b.flash_internal.size, b.name))
        # The largest first: what is known of streams for much memory holds for less.
        forecasts = [forecaster.board(board) for board in reversed(ordered)][::-1]
    except UnsupportedModel as error:
        return report | {"unsupported": [asdict(problem) for problem in problems_of(error)]}
    report |= _described(built, layer_types(path), forecaster if ordered else None, ordered[:1])
    best = smallest(forecasts)
    return report | {
        "boards": [_record(forecast) for forecast in forecasts],
        "smallest_board": None if best is None else best.board,
    }


def _described(
    graph: Graph, types: Mapping[str, str], forecaster: Forecaster | None, boards: Sequence[Board] = ()
) -> dict[str, Any]:
    """Ports, layers and sums of a graph; bytes of weights only where a program was made of it."""
    weights: dict[Node, int] = {}
    if forecaster is not None:
        steps = forecaster.program(boards[0]).steps
        weights = {graph.nodes[step.node]: step.weight_bytes for step in steps}
    layers = [
        {
            "name": node.name,
            "type": _type(node.name, types),
            "op": node.op,
            "shape": list(node.outputs[0].shape),
            "dtype": node.outputs[0].dtype.value,
            "parameters": sum(v.elements for v in node.inputs if v is not None and v.is_constant),
            "weight_bytes": weights.get(node, 0) if weights else None,
            "macs": spec_of(node.op).macs(node),
        }
        for node in graph.nodes
    ]
    return {
        "inputs": [_port(value) for value in graph.inputs],
        "outputs": [_port(value) for value in graph.outputs],
        "macs": sum(layer["macs"] for layer in layers),
        "parameters": sum(layer["parameters"] for layer in layers),
        "weight_bytes": sum(weights.values()) if weights else None,
        "weights_for": boards[0].name if weights else None,
        "layers": layers,
    }


def _type(name: str, types: Mapping[str, str]) -> str | None:
    """The type in the file of the layer that a node came from: nodes that edgekit adds have its name and a suffix."""
    name = re.sub(r"#\d+$", "", name)
    while name and name not in types:
        name = name.rpartition(" ")[0]
    return types.get(name)


def _port(value: Value) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "dtype": value.dtype.value}


def _record(forecast: Forecast) -> dict[str, Any]:
    return {
        "board": forecast.board,
        "core": forecast.core,
        "fits": forecast.fits,
        "ram": asdict(forecast.ram) | {"costliest": _costs(forecast.ram_costs)},
        "flash": asdict(forecast.flash) | {"costliest": _costs(forecast.flash_costs)},
        "unmeasured_kernels": list(forecast.unmeasured),
    }


def _costs(costs: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"layer": name, "bytes": count} for name, count in costs]
