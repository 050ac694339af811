"""report.html: one page that loads nothing, made from report.json and plan.json.

All text of the model (layer and buffer names) is untrusted; the template escapes everything, and the page's own
content security policy forbids loading.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2

from edgekit.reports import text
from edgekit.reports.memory_map import memory_maps
from edgekit.reports.noise import noise_drawing, noise_rows

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: dict[str, Any], plan: dict[str, Any]) -> str:
    """The page as text.

    `report` is report.json (schema 1), `plan` is what `edgekit.codegen.memory.plan.plan_report` returns. Any field may
    be missing or None: its place then shows a dash.
    """
    return _template().render(_page(report, plan))


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (
        text.count,
        text.short_count,
        text.size,
        text.exact_size,
        text.percent,
        text.decimal,
        text.short_name,
    ):
        environment.filters[function.__name__] = function
    environment.filters["milliseconds"] = text.milliseconds
    return environment.get_template("report.html.j2")


def _page(report: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    instructions = _table(report, "instructions")
    total, macs = instructions.get("total"), report.get("macs")
    layers = _layers(_rows(instructions, "per_layer"))
    return {
        "model": report.get("model") or "model",
        "board": report.get("board") or text.NONE,
        "toolchain": report.get("toolchain"),
        "precision": report.get("precision"),
        "fits": report.get("fits"),
        "macs": macs,
        "dead_channels": report.get("dead_channels"),
        "instructions": total,
        "per_mac": _ratio(total, macs),
        "ram": _memory(_table(report, "ram"), _RAM_PARTS),
        "flash": _memory(_table(report, "flash"), _FLASH_PARTS),
        "latency": {"model": None, "low": None, "high": None, "label": None} | _table(report, "latency_ms"),
        "accuracy": {"reference": None, "quantized": None, "emulated": None, "samples": None}
        | _table(report, "accuracy"),
        "validation": _validation(_table(report, "validation")),
        "regions": [_region(region) for region in _rows(report, "regions")],
        "maps": memory_maps(plan),
        "memory_report": _memory_report(_table(report, "memory_report")),
        "layers": layers,
        "layer_columns": _LAYER_COLUMNS,
        "quantization": noise_rows(_rows(report, "quantization")),
        "noise": noise_drawing(_rows(report, "quantization")),
        "low_bits": _low_bits(_table(report, "low_bits")),
        "warnings": [str(w) for w in report.get("warnings") or []],
    }


_RAM_PARTS = (
    ("arena", "arena", "tensors"),
    ("scratch", "scratch", "scratch"),
    ("io", "input and output", "input"),
    ("data_bss", "data + bss", "data"),
    ("stack_bound", "stack bound", "stack"),
)
_FLASH_PARTS = (("weights", "weights", "tensors"), ("code", "code", "data"))


def _table(source: dict[str, Any], key: str) -> dict[str, Any]:
    value = source.get(key)
    return value if isinstance(value, dict) else {}


def _rows(source: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = source.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _percent(part: float | None, whole: float | None) -> float:
    """Width of a bar, 0 to 100."""
    return round(min(100.0, max(0.0, 100.0 * (_ratio(part, whole) or 0.0))), 3)


def _memory(memory: dict[str, Any], parts: tuple[tuple[str, str, str], ...]) -> dict[str, Any]:
    """A memory's total against its budget and the parts that it is made of."""
    total, budget = memory.get("total"), memory.get("budget")
    scale = max(total or 0, budget or 0)
    segments = [
        {"label": label, "style": style, "size": memory[key], "width": _percent(memory[key], scale)}
        for key, label, style in parts
        if memory.get(key)
    ]
    rest = (total or 0) - sum(s["size"] for s in segments)
    if rest > 0:
        segments.append({"label": "other", "style": "other", "size": rest, "width": _percent(rest, scale)})
    over = total is not None and budget is not None and total > budget
    return {
        "total": total,
        "budget": budget,
        "free": None if total is None or budget is None else budget - total,
        "share": _ratio(total, budget),
        "over": over,
        "limit": _percent(budget, scale) if over else None,
        "segments": segments,
        "inside": [
            f"{label} {text.size(memory[key])}"
            for key, label in (("scratch_in_arena", "scratch"), ("io_in_arena", "input and output"))
            if memory.get(key) is not None
        ],
        **{key: memory.get(key) for key in ("stack_bound", "stack_measured", "external")},
    }


def _region(region: dict[str, Any]) -> dict[str, Any]:
    used, size, address = region.get("used"), region.get("size"), region.get("address")
    return {
        "name": region.get("name", text.NONE),
        "address": f"0x{address:08x}" if isinstance(address, int) else (address or text.NONE),
        "size": size,
        "used": used,
        "width": _percent(used, size),
        "over": bool(used is not None and size is not None and used > size),
        "share": _ratio(used, size),
    }


def _memory_report(memory: dict[str, Any]) -> dict[str, Any] | None:
    """What each way of saving memory is worth, as bars beside the arena's."""
    rows: list[dict[str, Any]] = [{"technique": "all of them", "arena_without": memory.get("arena"), "fits": True}]
    rows += _rows(memory, "techniques")
    largest = max((row.get("arena_without") or 0 for row in rows), default=0)
    for row in rows:
        row["width"] = _percent(row.get("arena_without"), largest)
    return {"rows": rows, "worst_step": memory.get("worst_step")} if len(rows) > 1 else None


_LAYER_COLUMNS = (
    ("macs", "MACs", "macs"),
    ("instructions", "instructions", "instructions"),
    ("cycles", "cycles (model)", "cycles"),
    ("per_mac", "per MAC", "instructions"),
    ("flash", "flash", "flash"),
)


def _layers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per layer, each figure with the width of its bar relative to the column's largest."""
    layers = []
    for index, row in enumerate(rows):
        figures = {key: row.get(key) for key in ("macs", "instructions", "cycles", "flash")}
        figures["per_mac"] = _ratio(row.get("instructions"), row.get("macs"))
        layers.append({"index": index, "name": row.get("name", text.NONE), "op": row.get("op", text.NONE), **figures})
    for key, _, _ in _LAYER_COLUMNS:
        largest = max((layer[key] or 0 for layer in layers), default=0)
        total = sum(layer[key] or 0 for layer in layers)
        for layer in layers:
            layer[f"{key}_width"] = _percent(layer[key], largest)
            layer[f"{key}_share"] = _ratio(layer[key], total)
    return layers


def _low_bits(low_bits: dict[str, Any]) -> str | None:
    """How weights of fewer than 8 bits were chosen, in a sentence."""
    name = low_bits.get("quantizer")
    if not name:
        return None
    samples, iterations, mixed = low_bits.get("samples"), low_bits.get("iterations"), _table(low_bits, "mixed")
    parts = [f"Weights of fewer than 8 bits by {name}"]
    if iterations:
        parts.append(f"learned on {text.count(samples)} samples, {text.count(iterations)} steps a block")
    if mixed:
        budget, time = f"{text.size(mixed.get('budget_flash'))} of flash", mixed.get("budget_latency_ms")
        budget += "" if time is None else f" and {text.milliseconds(time)} an inference"
        proof = "proven the least error" if mixed.get("proven") else "not proven the least error"
        parts.append(f"bits chosen for {budget}, {proof}")
    return ", ".join(parts) + "."


def _validation(validation: dict[str, Any]) -> dict[str, Any]:
    return {
        "inputs": validation.get("inputs"),
        "source": validation.get("source"),
        "bit_exact": validation.get("bit_exact"),
        "first_mismatch": validation.get("first_mismatch"),
        "runtimes": [
            {key: row.get(key) for key in ("name", "outputs", "differing")} for row in _rows(validation, "runtimes")
        ],
    }
