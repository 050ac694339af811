"""edgekit analyze."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.common import aligned, json_option, print_json, shape_options, shortened, size
from edgekit.reports.text import short_name

MAX_PROBLEMS = 40
PRECISIONS = ("int8", "w4", "w3", "w2", "float32")


@click.command("analyze", epilog="Example: edgekit analyze model.onnx --board stm32f746")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", help="Forecast for this board only, with all parts; default: a line for every board.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="int8", show_default=True)
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,32,32", help="Shape of an input with dynamic axes.")
@json_option
def command(model: Path, board: str | None, precision: str, shapes: tuple[str, ...], as_json: bool) -> None:
    """Layers, sizes, what is not supported, and the boards that MODEL fits. Compiles nothing."""
    from edgekit.boards import board_names, load_board
    from edgekit.forecast.analysis import analyze

    boards = [load_board(name) for name in ([board] if board else board_names())]
    report = analyze(model, shape_options(shapes), precision, boards)
    if as_json:
        print_json(report)
    else:
        print("\n".join([*_model_lines(report), *_board_lines(report, board is not None)]))
    if report["unsupported"]:
        raise SystemExit(2)
    if not any(row["fits"] for row in report["boards"]):
        raise SystemExit(1)


def _model_lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{report['model']} as {report['precision']}"]
    if report["layers"]:
        lines += _layer_lines(report["layers"])
        stored, weights = report["weight_bytes"], ""
        if stored is not None:
            weights = f", {size(stored)} of weights and tables as {report['weights_for']} takes them"
        lines.append(f"{report['macs']} MACs, {report['parameters']} parameters{weights}")
    problems = report["unsupported"]
    for problem in problems[:MAX_PROBLEMS]:
        where = "" if problem["layer"] is None else f"layer {problem['layer']!r}: "
        op = "" if problem["op"] is None else f"{problem['op']}: "
        lines.append(f"not supported: {where}{op}{problem['why']}")
        lines += [] if problem["rewrite"] is None else [f"    instead: {problem['rewrite']}"]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"not supported: {len(problems) - MAX_PROBLEMS} more (--json lists all)")
    return [shortened(line) for line in lines]


def _layer_lines(layers: list[dict[str, Any]]) -> list[str]:
    rows = [("", "layer", "type", "becomes", "shape", "parameters", "bytes", "MACs")]
    for index, layer in enumerate(layers):
        stored = "-" if layer["weight_bytes"] is None else str(layer["weight_bytes"])
        shape = "x".join(map(str, layer["shape"]))
        name, parameters = short_name(layer["name"]), str(layer["parameters"])
        rows.append(
            (str(index), name, layer["type"] or "-", layer["op"], shape, parameters, stored, str(layer["macs"]))
        )
    return aligned(rows, left=(1, 2, 3))


def _board_lines(report: dict[str, Any], detailed: bool) -> list[str]:
    rows = report["boards"]
    if not rows:
        return []
    lines = _detail_lines(rows[0]) if detailed else _table_lines(rows)
    missing = sorted({kernel for row in rows for kernel in row["unmeasured_kernels"]})
    if missing:
        lines.append(f"note: the size of {', '.join(missing)} is not known and counts as that of a typical kernel")
    if detailed:
        return lines
    best = report["smallest_board"]
    return [*lines, "no board has room for it" if best is None else f"smallest board that fits: {best}"]


def _table_lines(rows: list[dict[str, Any]]) -> list[str]:
    table = [("board", "core", "RAM", "of", "left", "flash", "of", "left", "", "")]
    for row in rows:
        ram, flash = row["ram"], row["flash"]
        figures = [size(v) for part in (ram, flash) for v in (part["total"], part["budget"], part["headroom"])]
        table.append((row["board"], row["core"], *figures, "fits" if row["fits"] else "DOES NOT FIT", _external(row)))
    return ["forecast, on chip:", *aligned(table, left=(0, 1, 8, 9))]


def _external(row: dict[str, Any]) -> str:
    used = [
        f"{size(row[part]['external'])} of {what} in external {part if part == 'flash' else 'RAM'}"
        for part, what in (("ram", "activations"), ("flash", "weights"))
        if row[part]["external"]
    ]
    return f"({', '.join(used)})" if used else ""


def _detail_lines(row: dict[str, Any]) -> list[str]:
    ram, flash = row["ram"], row["flash"]
    verdict = "fits" if row["fits"] else "DOES NOT FIT"
    return [
        f"forecast for {row['board']} ({row['core']}): {verdict} {_external(row)}".rstrip(),
        f"  RAM    {size(ram['total'])} of {size(ram['budget'])}, {size(ram['headroom'])} left  "
        f"(arena {size(ram['arena'])}, data {size(ram['data_bss'])}, stack {size(ram['stack'])})",
        f"         most live in {_costly(ram)}",
        f"  flash  {size(flash['total'])} of {size(flash['budget'])}, {size(flash['headroom'])} left  "
        f"(code {size(flash['code'])}, weights {size(flash['external'] or flash['weights'])})",
        f"         most weights in {_costly(flash)}",
    ]


def _costly(part: dict[str, Any]) -> str:
    return ", ".join(f"{short_name(cost['layer'])} ({size(cost['bytes'])})" for cost in part["costliest"]) or "no layer"
