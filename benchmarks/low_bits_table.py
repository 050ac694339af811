"""The table of docs/nupes.md, from the cells that benchmarks/low_bits.json has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from edgekit.quant.learning.learn import LEARNING_VERSION

PAGE = Path(__file__).resolve().parents[1] / "docs" / "nupes.md"
BEGIN, END = "<!-- low_bits: table -->", "<!-- low_bits: end -->"
COLUMNS = {
    "uniform": "round to nearest",
    "mse": "MSE clip",
    "powerquant-global": "PowerQuant, one exponent",
    "powerquant": "PowerQuant, per layer",
    "powerquant-grouped": "PowerQuant, per 8 channels",
    "adaround": "AdaRound",
    "nupes-free": "NUPES without data",
    "nupes": "NUPES",
}


def is_outdated(figures: Mapping[str, Any]) -> bool:
    """Whether a cell was learned in an older way: it is marked in the table, and measured anew."""
    return "learning" in figures and int(figures["learning"]) < LEARNING_VERSION


def write_page(results: Mapping[str, Any]) -> None:
    """Put the table between the page's two marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(results)}{END}{after}", encoding="utf-8")


def table(results: Mapping[str, Any]) -> str:
    """One table per model, rows of widths; the best of each row in bold."""
    parts = []
    for subject in (key for key in results if "/" not in key):
        widths = sorted({key.split("/")[1] for key in results if key.startswith(f"{subject}/")}, reverse=True)
        title = results[subject]["title"]
        lines = [f"**{title}**: float {results[subject]['percent']:.1f} %", ""]
        lines += ["| | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---|" * len(COLUMNS)]
        for width in sorted(widths, key=_order):
            found = {method: _seeds(results, f"{subject}/{width}/{method}/") for method in COLUMNS}
            current = [values for values, outdated in found.values() if values and not outdated]
            best = max(map(fmean, current))
            cells = [f"{_mean(values)}†" if outdated else _cell(values, best) for values, outdated in found.values()]
            lines.append(f"| {_title(width)} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _order(width: str) -> tuple[int, int, bool]:
    """W8A8 first, activations of 4 bits last, those of a power behind even ones."""
    weights, activations = (int(number) for number in re.findall(r"\d+", width))
    return -activations, -weights, width.endswith("p")


def _title(width: str) -> str:
    return f"{width.removesuffix('p').upper()} power" if width.endswith("p") else width.upper()


def _seeds(results: Mapping[str, Any], prefix: str) -> tuple[list[float], bool]:
    """The figures of a cell's seeds, and whether they are outdated; of both kinds only those that are not."""
    found = {key: results[key] for key in sorted(results) if key.startswith(prefix)}
    current = {key: figures for key, figures in found.items() if not is_outdated(figures)}
    return [figures["percent"] for figures in (current or found).values()], bool(found) and not current


def _cell(values: list[float], best: float) -> str:
    """Bold where it is the best."""
    return f"**{_mean(values)}**" if values and fmean(values) >= best - 0.05 else _mean(values)


def _mean(values: list[float]) -> str:
    """And half the spread of several seeds."""
    if not values:
        return ""
    spread = f" ± {(max(values) - min(values)) / 2:.1f}" if len(values) > 1 else ""
    return f"{fmean(values):.1f}{spread}"
