"""edgekit validate."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.common import json_option, print_json
from edgekit.progress import Progress


@click.command("validate", epilog="Example: edgekit validate firmware --data test.npz --json")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Samples, with labels for the accuracy.")
@json_option
def command(folder: Path, data: Path, as_json: bool) -> None:
    """Compare a built image with its reference, layer by layer, and measure its accuracy."""
    from edgekit.built import open_build
    from edgekit.data import load_data
    from edgekit.validation import odd_labels, top1, validate_firmware

    built = open_build(folder)
    dataset = load_data(data, built.graph.inputs)
    progress = Progress(quiet=as_json)
    result = validate_firmware(built.firmware, built.graph, dataset.samples, progress)
    accuracy = None
    odd = None if dataset.labels is None else odd_labels(built.graph, dataset.labels)
    if odd is not None:
        progress.warn(odd)
    elif dataset.labels is not None:
        accuracy = {
            "reference": None,
            "quantized": top1(result.references, dataset.labels),
            "emulated": top1(result.outputs, dataset.labels),
            "samples": len(dataset.samples),
        }
    validation = {
        "inputs": len(result.outputs),
        "source": str(data),
        "bit_exact": result.bit_exact,
        "first_mismatch": result.first_mismatch,
    }
    if as_json:
        print_json({"accuracy": accuracy, "validation": validation})
    else:
        if accuracy is not None:
            print(f"top-1 {accuracy['emulated']:.2%} on {accuracy['samples']} samples")
        print(
            f"bit-exact on {validation['inputs']} inputs" if result.bit_exact else f"DIFFERS in {result.first_mismatch}"
        )
    if not result.bit_exact:
        raise SystemExit(1)
