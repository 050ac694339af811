"""edgekit quantize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.common import (
    aligned,
    json_option,
    print_json,
    quantization_of,
    quantization_options,
    shape_options,
    size,
)
from edgekit.progress import Progress
from edgekit.reports.text import short_name


@click.command("quantize", epilog="Example: edgekit quantize model.onnx --data samples.npz --precision w4 -o w4.onnx")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Samples: npz, npy or a folder of images.")
@click.option(
    "--calibration", type=click.Path(path_type=Path), help="Samples that calibrate.  [default: those of --data]"
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .onnx file to write.")
@quantization_options()
@click.option("--board", help="Board whose flash and time --precision mixed is to keep to.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,32,32", help="Shape of an input with dynamic axes.")
@click.option(
    "--samples", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Inputs to compare at most."
)
@json_option
def command(
    model: Path, data: Path | None, calibration: Path | None, output: Path, board: str | None, shapes: tuple[str, ...],
    samples: int, as_json: bool, **quantization: Any,
) -> None:  # fmt: skip
    """Quantize MODEL (TFLite or ONNX, float) into an ONNX file in QDQ format, and say what each layer lost."""
    from edgekit.quantize_file import QuantizeOptions, quantize_file

    options = QuantizeOptions(
        model, data, output, calibration, quantization_of(quantization), board, shape_options(shapes), samples
    )
    report = quantize_file(options, Progress(quiet=as_json))
    if as_json:
        print_json(report)
    else:
        print("\n".join([*_table(report["quantization"]), *_summary(report)]))


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each layer that has noise of its own."""
    lines: list[tuple[str, ...]] = [
        ("layer", "operator", "bits", "exponent", "codes", "output", "of weights", "of rounding", "loses most to")
    ]  # fmt: skip
    for row in rows:
        if row["cause"] == "none" or row["op"] in ("reshape", "transpose"):
            continue
        bits = "" if row["bits"] is None else str(row["bits"])
        exponent = "" if row["exponent"] is None else f"{row['exponent']:.2f}"
        if row["most_exponent"] is not None:
            exponent += f"-{row['most_exponent']:.2f}"
        figures = [_decibels(row[key]) for key in ("sqnr_db", "weights_sqnr_db", "codes_sqnr_db")]
        lines.append((short_name(row["name"]), row["op"], bits, exponent, _codes(row), *figures, row["cause"]))
    if not any(row["output_bits"] for row in rows):
        lines = [(*line[:4], *line[5:]) for line in lines]
    return aligned(lines, left=(0, 1, len(lines[0]) - 1))


def _codes(row: dict[str, Any]) -> str:
    """Bits and exponent of an output that is not even codes of 8 bits."""
    bits, exponent = row["output_bits"], row["output_exponent"]
    return "" if bits is None else str(bits) if exponent == 1.0 else f"{bits} ^{exponent:.2f}"


def _decibels(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1f} dB"


def _summary(report: dict[str, Any]) -> list[str]:
    (runtime,), accuracy = report["validation"]["runtimes"], report["accuracy"]
    lines = [f"{report['model']} as {report['precision']}: {report['output']}, {size(report['bytes'])}"]
    if accuracy is not None:
        lines.append(
            f"  top-1 float {accuracy['reference']:.1%}, quantized {accuracy['quantized']:.1%} "
            f"on {accuracy['samples']} samples"
        )
    if "refused" in runtime:
        return [*lines, f"  {runtime['name']} refuses it: {runtime['refused']}"]
    by = f" (largest difference {runtime['max_abs_difference']:.2g})" if runtime["differing"] else ""
    return [*lines, f"  {runtime['name']}: {runtime['differing']} of {runtime['outputs']} outputs differ{by}"]
