"""edgekit ops."""

from __future__ import annotations

import click

from edgekit.cli.common import json_option, print_json
from edgekit.ops import OPS
from edgekit.ops.spec import demand


@click.command("ops", epilog="Example: edgekit ops --json")
@json_option
def command(as_json: bool) -> None:
    """List supported operators with their ONNX and TFLite forms and constraints."""
    rows = [
        {
            "name": spec.name,
            "summary": spec.summary,
            "onnx": list(spec.onnx),
            "tflite": list(spec.tflite),
            "constraints": [demand(constraint) for constraint in spec.constraints],
            "rewrite": spec.rewrite,
        }
        for spec in OPS
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(f"{row['name']}: {row['summary']}")
        print(f"    ONNX {', '.join(row['onnx']) or '-'}; TFLite {', '.join(row['tflite']) or '-'}")
        for constraint in row["constraints"]:
            print(f"    - {constraint}")
