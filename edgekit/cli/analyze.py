"""edgekit analyze."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.common import json_option, print_json, shape_options, size


@click.command("analyze", epilog="Example: edgekit analyze model.onnx --board stm32f746")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", help="Forecast the fit for this board only; default: for all.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,32,32", help="Shape of an input with dynamic axes.")
@json_option
def command(model: Path, board: str | None, shapes: tuple[str, ...], as_json: bool) -> None:
    """Layers, multiply-accumulates, sizes and a fit forecast. Compiles nothing."""
    from edgekit.boards import board_names, load_board
    from edgekit.forecast import forecast
    from edgekit.importers import import_model
    from edgekit.ops import spec_of
    from edgekit.passes import optimise

    boards = [load_board(name) for name in ([board] if board else board_names())]
    graph = optimise(import_model(model, shape_options(shapes)))
    layers = [
        {
            "name": node.name,
            "op": node.op,
            "shape": list(node.outputs[0].shape),
            "macs": spec_of(node.op).macs(node),
            "parameters": sum(v.elements for v in node.inputs if v is not None and v.is_constant),
        }
        for node in graph.nodes
    ]
    forecasts = [forecast(graph, b) for b in boards]
    report: dict[str, Any] = {
        "model": graph.name,
        "inputs": [{"name": v.name, "shape": list(v.shape), "dtype": v.dtype.value} for v in graph.inputs],
        "outputs": [{"name": v.name, "shape": list(v.shape), "dtype": v.dtype.value} for v in graph.outputs],
        "macs": sum(layer["macs"] for layer in layers),
        "parameters": sum(layer["parameters"] for layer in layers),
        "layers": layers,
        "forecast": [vars(f) | {"fits": f.fits} for f in forecasts],
    }
    if as_json:
        print_json(report)
    else:
        _print(report)
    if board and not forecasts[0].fits:
        raise SystemExit(1)


def _print(report: dict[str, Any]) -> None:
    print(f"{report['model']}: {report['macs']} MACs, {report['parameters']} parameters")
    for index, layer in enumerate(report["layers"]):
        shape = "x".join(map(str, layer["shape"]))
        counts = f"{layer['macs']:>12} MAC {layer['parameters']:>9} par"
        print(f"  {index:3} {layer['op']:18} {shape:>16} {counts}  {layer['name'][:50]}")
    print("forecast, on chip:")
    for row in report["forecast"]:
        verdict = "fits" if row["fits"] else "does not fit"
        print(
            f"  {row['board']:12} RAM {size(row['ram']):>10} of {size(row['ram_budget']):>10}   "
            f"flash {size(row['flash']):>10} of {size(row['flash_budget']):>10}   {verdict}"
        )
