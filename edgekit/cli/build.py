"""edgekit build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.common import json_option, print_json, quantization_of, quantization_options, shape_options, size
from edgekit.errors import BadUsage
from edgekit.progress import Progress
from edgekit.reports.text import short_name


@click.command("build", epilog="Example: edgekit build model.tflite --board stm32f746 --data samples.npz -o firmware")
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--board", required=True, help="Target board, see edgekit boards.")
@click.option("--data", type=click.Path(path_type=Path), help="Samples: npz, npy or a folder of images.")
@click.option(
    "--calibration", type=click.Path(path_type=Path), help="Samples that calibrate.  [default: those of --data]"
)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("firmware"), show_default=True)
@quantization_options("float32")
@click.option("--toolchain", type=click.Choice(["zig", "gcc"]), default="zig", show_default=True)
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,32,32", help="Shape of an input with dynamic axes.")
@click.option("--samples", type=click.IntRange(1, 100_000), help="Inputs to emulate at most.  [default: 10]")
@click.option(
    "--feed",
    default="auto",
    type=click.Choice(["auto", "whole", "rows"]),
    show_default=True,
    help="Input images whole in memory, or streamed in by rows (<name>_feed_rows).",
)
@click.option(
    "--disable",
    "disabled",
    multiple=True,
    type=click.Choice(["integration", "decomposition", "overwriting", "streaming", "recomputation"]),
    help="Leave out a way of saving memory, to see what it is worth.",
)
@click.option(
    "--optimize",
    default="balanced",
    type=click.Choice(["balanced", "ram", "speed"]),
    show_default=True,
    help="The smallest arena, all memory for speed, or some of it.",
)
@click.option("--memory-report", is_flag=True, help="Say what each way of saving memory is worth.")
@click.option(
    "--off-chip",
    "objective",
    default="time",
    type=click.Choice(["time", "bytes"]),
    show_default=True,
    help="What copies to memory outside the chip and back shall save: modelled time, or bytes on the bus.",
)
@click.option(
    "--dma", is_flag=True, help="Your firmware has ek_dma_start and ek_dma_wait: copies go on while layers run."
)
@click.option("--internal-only", is_flag=True, help="Use no memory outside the chip.")
@click.option(
    "--dump", "dumps", multiple=True, type=click.Choice(["import", "optimise", "quantize", "program", "plan"])
)
@json_option
def command(
    model: Path | None, board: str, data: Path | None, calibration: Path | None, output: Path, toolchain: str,
    shapes: tuple[str, ...], samples: int | None, feed: str, disabled: tuple[str, ...], optimize: str,
    memory_report: bool, objective: str, dma: bool, internal_only: bool, dumps: tuple[str, ...], as_json: bool,
    **quantization: Any,
) -> None:  # fmt: skip
    """Build MODEL (TFLite or ONNX) into firmware, emulate it and report. Without MODEL: the packaged one."""
    from edgekit.pipeline import BuildOptions, build

    if as_json and dumps:
        raise BadUsage("--dump and --json both write to standard output: use one")
    options = BuildOptions(
        board=board, output=output, model=model, data=data, calibration=calibration,
        quantization=quantization_of(quantization), toolchain=toolchain, shapes=shape_options(shapes), samples=samples,
        feed=feed, disabled=disabled, optimize=optimize, memory_report=memory_report, objective=objective, dma=dma,
        external=not internal_only, dumps=dumps,
    )  # fmt: skip
    report = build(options, Progress(quiet=as_json))
    if as_json:
        print_json(report)
    else:
        print(summary(report, output))


def summary(report: dict[str, Any], output: Path) -> str:
    """The build in a few lines."""
    ram, flash, check = report["ram"], report["flash"], report["validation"]
    latency, accuracy = report["latency_ms"], report["accuracy"]
    total = report["instructions"]["total"]
    per_mac = f", {total / report['macs']:.2f} per MAC" if report["macs"] else ""
    parts = f"arena {size(ram['arena'])}, data {size(ram['data_bss'])}, stack bound {size(ram['stack_bound'])}"
    lines = [
        f"{report['model']} on {report['board']}: {'fits' if report['fits'] else 'DOES NOT FIT'}",
        f"  RAM    {size(ram['total'])} of {size(ram['budget'])}  ({parts}, measured {size(ram['stack_measured'])})",
        f"  flash  {size(flash['total'])} of {size(flash['budget'])}  "
        f"(code {size(flash['code'])}, weights {size(flash['weights'])})",
        f"  {total} instructions per inference{per_mac} (emulated, exact)",
    ]
    if latency["model"] is not None:
        lines.append(
            f"  {latency['model']:.2f} ms [{latency['low']:.2f}, {latency['high']:.2f}], {latency['cycles']} cycles "
            f"({latency['label']})"
        )
    if accuracy is not None:
        reference = "" if accuracy["reference"] is None else f"float {accuracy['reference']:.1%}, "
        lines.append(f"  top-1 {reference}emulated {accuracy['emulated']:.1%} on {accuracy['samples']} samples")
    lines.append(f"  bit-exact on {check['inputs']} inputs ({check['source']})")
    for runtime in check["runtimes"]:
        distance = runtime.get("max_abs_difference")
        by = "" if distance is None else f" (largest difference {distance:.2g})"
        lines.append(f"  {runtime['name']}: {runtime['differing']} of {runtime['outputs']} outputs differ{by}")
    lines += _memory_lines(report["memory_report"])
    lines += [f"  note: {w}" for w in report["warnings"]]
    lines.append(f"  {output}/report.html")
    return "\n".join(lines)


def _memory_lines(memory: dict[str, Any] | None) -> list[str]:
    if memory is None:
        return []
    live = ", ".join(f"{short_name(part['name'])} {size(part['bytes'])}" for part in memory["live_then"][:4])
    lines = [f"  most is live in {short_name(memory['worst_step'])}: {size(memory['lower_bound'])} ({live})"]
    for row in memory["techniques"]:
        does = "" if row["fits"] else ", which does not fit"
        lines.append(f"    without {row['technique']}: {size(row['arena_without'])}{does}")
    return lines
