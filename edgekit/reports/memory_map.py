"""Geometry of the memory map over time: each buffer a rectangle of steps by addresses, per region."""

from __future__ import annotations

from typing import Any

from edgekit.reports import text

WIDTH, HEIGHT = 1080, 300
_LEFT, _RIGHT, _TOP = 74, 8, 10
# Layer names are written under their step while there is room for them.
_MOST_LABELS = 40
_LABEL_CHARACTERS = 18
# Width of a bold letter inside a rectangle.
_LETTER = 7.2


def memory_maps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """One drawing per region that holds buffers; empty where the plan is empty."""
    steps = plan.get("steps") or []
    buffers = [b for b in plan.get("buffers") or [] if isinstance(b, dict)]
    maps = []
    for region in plan.get("regions") or []:
        here = [b for b in buffers if b.get("region") == region.get("name")]
        if here and region.get("arena"):
            maps.append(_map(region, steps, here))
    return maps


def _map(region: dict[str, Any], steps: list[dict[str, Any]], buffers: list[dict[str, Any]]) -> dict[str, Any]:
    arena = region["arena"]
    columns = max([len(steps), *(b["last"] + 1 for b in buffers)])
    across, up = (WIDTH - _LEFT - _RIGHT) / columns, HEIGHT / arena
    names = {s["index"]: s["name"] for s in steps}

    def y(offset: float) -> float:
        return float(round(_TOP + HEIGHT - offset * up, 2))

    rectangles = [
        {
            "x": round(_LEFT + first * across + 0.75, 2),
            "y": y(offset + size),
            "width": round(max(1.0, (last - first + 1) * across - 1.5), 2),
            "height": round(max(1.0, size * up - 0.75), 2),
            "kind": _kind(group),
            "label": _fitting(
                ", ".join(text.short_name(b["name"]) for b in group), (last - first + 1) * across, size * up
            ),
            "tip": _tip(group, names, columns),
        }
        for (offset, size, first, last), group in _shared(buffers).items()
    ]
    bound = region.get("lower_bound")
    return {
        "name": region["name"],
        "arena": arena,
        "capacity": region.get("capacity"),
        "lower_bound": bound,
        "proven": region.get("proven"),
        "width": WIDTH,
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "top": _TOP,
        "bottom": _TOP + HEIGHT,
        "rectangles": rectangles,
        "ticks": [{"y": y(arena * part / 4), "label": text.size(arena * part / 4)} for part in range(5)],
        "bound_y": None if bound is None else y(bound),
        "labels": _labels(columns, names, across),
        "height": _TOP + HEIGHT + (96 if len(steps) <= _MOST_LABELS else 26),
        "slanted": len(steps) <= _MOST_LABELS,
    }


def _shared(buffers: list[dict[str, Any]]) -> dict[tuple[int, int, int, int], list[dict[str, Any]]]:
    """Buffers by (offset, size, first, last): those that work in place share their bytes and are one rectangle."""
    groups: dict[tuple[int, int, int, int], list[dict[str, Any]]] = {}
    for buffer in buffers:
        key = (buffer["offset"], buffer["size"], buffer["first"], buffer["last"])
        groups.setdefault(key, []).append(buffer)
    return groups


def _kind(group: list[dict[str, Any]]) -> str:
    """The kind that colours a rectangle: of the model's input or output where one of them shares it."""
    kinds = [str(b.get("kind")) for b in group]
    return next((k for k in ("input", "output", "scratch") if k in kinds), "activation")


def _fitting(name: str, width: float, height: float) -> str:
    """The name, cut to the rectangle; nothing where it has no room."""
    room = int((width - 10) / _LETTER)
    if height < 15 or room < 4:
        return ""
    return name if len(name) <= room else name[: room - 1] + "…"


def _tip(group: list[dict[str, Any]], names: dict[int, str], columns: int) -> str:
    first, last = group[0]["first"], group[0]["last"]

    def step(index: int) -> str:
        return f"{index} ({names[index]})" if index in names else f"{index} (end)"

    lines = [f"{b['name']}: {b.get('kind', 'buffer')}, {text.exact_size(b['size'])}" for b in group]
    if len(group) > 1:
        lines.append("in place: the same bytes")
    lines.append(f"offset {text.count(group[0]['offset'])} to {text.count(group[0]['offset'] + group[0]['size'])}")
    lines.append(f"live from step {step(first)} to {step(last)}")
    return "\n".join(lines)


def _labels(columns: int, names: dict[int, str], across: float) -> list[dict[str, Any]]:
    if len(names) > _MOST_LABELS:
        every = -(-columns // 20)
        return [{"x": round(_LEFT + (i + 0.5) * across, 2), "text": str(i)} for i in range(0, columns, every)]
    labels = []
    for index in range(columns):
        cut = text.short_name(names.get(index, "end"), _LABEL_CHARACTERS)
        labels.append({"x": round(_LEFT + (index + 0.5) * across, 2), "text": cut})
    return labels
