"""Options and output that several verbs share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgekit.errors import BadUsage

if TYPE_CHECKING:
    from edgekit.quantization import Quantization

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def _activation_options() -> tuple[Callable[[F], F], ...]:
    return (
        click.option(
            "--activation-bits",
            type=click.Choice(["8", "4"]),
            default="8",
            show_default=True,
            help="Of what products read, but the outermost ones.",
        ),
        click.option(
            "--activation-quantizer",
            type=click.Choice(["uniform", "power"]),
            default="uniform",
            show_default=True,
            help="Even codes, or codes of a power where they pay: after functions and softmax, and of 4 bits.",
        ),
    )


def quantization_options(*others: str) -> Callable[[F], F]:
    """The options of `edgekit.quantization.Quantization`; `others` are precisions beside those of quantized models.

    Choices are written out here: to import them would make --help slow.
    """
    options = (
        click.option(
            "--precision",
            type=click.Choice(["int8", "w4", "w3", "w2", "mixed", *others]),
            default="int8",
            show_default=True,
            help="int8; weights of 4, 3 or 2 bits but in the outermost layers; or bits by layer within budgets"
            + ("; or the float model as it is." if others else "."),
        ),
        click.option(
            "--quantizer",
            type=click.Choice(["uniform", "mse", "powerquant", "adaround", "nupes"]),
            help="How weights of fewer than 8 bits are chosen.  [default: nupes]",
        ),
        click.option(
            "--exponent-groups",
            type=click.IntRange(4, 4096),
            metavar="CHANNELS",
            help="So many output channels, 4, 8, 16.., have an exponent of their own.  [default: one per layer]",
        ),
        *_activation_options(),
        click.option(
            "--budget-flash",
            type=click.FloatRange(0.0, 1e9, min_open=True),
            metavar="KB",
            help="Code and weights of --precision mixed.  [default: the board's flash]",
        ),
        click.option(
            "--budget-latency",
            type=click.FloatRange(0.001, 1e9),
            metavar="MS",
            help="Modelled time of an inference of --precision mixed.  [default: any]",
        ),
        click.option("--iterations", type=click.IntRange(1, 1_000_000), help="Steps of learning per block."),
        click.option("--seed", type=click.IntRange(0, 2**31), help="Seed of learning.  [default: 0]"),
        click.option(
            "--resume",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder where learning keeps finished blocks and goes on from.  [default: OUTPUT.learning]",
        ),
        click.option(
            "--learn-on", type=click.Choice(["cpu", "cuda"]), help="What learning computes on.  [default: cpu]"
        ),
        click.option(
            "--data-free", is_flag=True, help="Calibrate and learn on inputs that are generated from the model."
        ),
        click.option(
            "--input-range",
            type=(float, float),
            metavar="LOW HIGH",
            help="What the numbers of an input lie between, for --data-free: 0 255 for pixels.  [default: not known]",
        ),
        click.option(
            "--observer", type=click.Choice(["minmax", "percentile", "mse"]), default="mse", show_default=True
        ),
    )

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def quantization_of(values: Mapping[str, Any]) -> Quantization:
    """What the options of `quantization_options` ask for."""
    from edgekit.quant.activation_grids import ActivationOptions
    from edgekit.quant.low_bits import WeightOptions
    from edgekit.quantization import Quantization

    flash, latency = values["budget_flash"], values["budget_latency"]
    if flash is not None and math.isnan(flash):
        raise BadUsage("--budget-flash takes a number of KB")
    if latency is not None and math.isnan(latency):
        raise BadUsage("--budget-latency takes a number of milliseconds")
    return Quantization(
        values["precision"],
        values["observer"],
        WeightOptions(
            values["quantizer"],
            values["iterations"],
            values["seed"],
            values["resume"],
            values["learn_on"],
            values["exponent_groups"],
        ),
        None if flash is None else round(1024 * flash),
        # As many decimals as the model's milliseconds have.
        None if latency is None else round(latency, 4),
        values["data_free"],
        values["input_range"],
        ActivationOptions(int(values["activation_bits"]), values["activation_quantizer"]),
    )


# A model file chooses the names, shapes and numbers of layers that an error lists.
MAX_LINE, MAX_LINES = 500, 40


def shortened(text: str) -> str:
    """A message of at most MAX_LINES lines of at most MAX_LINE characters, saying where it leaves something out."""
    lines = text.splitlines()
    kept = [line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}.. ({len(line)} characters)" for line in lines]
    return "\n".join(kept[:MAX_LINES] + ([f"  .. and {len(kept) - MAX_LINES} more"] if len(kept) > MAX_LINES else []))


def shape_options(texts: tuple[str, ...]) -> dict[str, list[int]]:
    """`name=1,3,32,32` texts as shapes; raises BadUsage for anything else."""
    shapes = {}
    for text in texts:
        name, _, dims = text.rpartition("=")
        try:
            shapes[name] = [int(d) for d in dims.split(",")]
        except ValueError:
            raise BadUsage(f"--shape {text!r}: write NAME=1,3,32,32") from None
        if not name or min(shapes[name]) < 1:
            raise BadUsage(f"--shape {text!r}: write NAME=1,3,32,32 with positive dimensions")
    return shapes


def print_json(value: Any) -> None:
    """Print a JSON object."""
    print(json.dumps(value, indent=1, allow_nan=False))


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count} B" if abs(count) < 10_000 else f"{count / 1024:.1f} KB"


def aligned(rows: Sequence[Sequence[str]], left: tuple[int, ...]) -> list[str]:
    """Rows in columns, those of `left` to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
