"""What each layer loses to quantization: rows of a table, and a drawing of signal to noise along the network."""

from __future__ import annotations

from typing import Any

from edgekit.reports import text

# Above this signal-to-quantization-noise ratio a layer is drawn as a full bar, and at the top of the drawing.
_FULL_SQNR_DB = 60.0
# Below this one a layer is marked: a tenth of the signal's amplitude is noise.
_LOW_SQNR_DB = 20.0
WIDTH, HEIGHT = 1080, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 10, 12, 26
_CAUSES = {
    "weights": "its weights",
    "codes": "rounding of its output",
    "inherited": "layers before",
    "none": "nothing",
}
# Field of a row, legend, style.
_LINES = (
    ("sqnr_db", "output, all layers in integers", "output"),
    ("codes_sqnr_db", "rounding of the output alone", "codes"),
    ("weights_sqnr_db", "weights of the layer alone", "weights"),
)


def noise_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Layers with their signal-to-quantization-noise ratio; an exact layer has none."""
    layers = []
    for row in rows:
        ratio = row.get("sqnr_db")
        decibels = ratio if text.known(ratio) else None
        exact = ratio is None and row.get("max_abs_error") == 0.0
        layers.append(
            {
                "name": row.get("name", text.NONE),
                "op": row.get("op", text.NONE),
                "max_abs_error": row.get("max_abs_error"),
                "label": "exact" if exact else _decibels(ratio),
                "width": 100.0 if exact else _share(decibels),
                "low": decibels is not None and decibels < _LOW_SQNR_DB,
                "bits": row.get("bits"),
                "exponent": _exponents(row),
                "output_codes": _output_codes(row),
                "weight_label": _decibels(row.get("weight_sqnr_db")),
                "weights_label": _decibels(row.get("weights_sqnr_db")),
                "codes_label": _decibels(row.get("codes_sqnr_db")),
                "cause": _CAUSES.get(str(row.get("cause")), text.NONE),
            }
        )
    return layers


def _exponents(row: dict[str, Any]) -> str:
    """Of the weights: one, or the least and the most of groups of channels."""
    known = [row[key] for key in ("exponent", "most_exponent") if text.known(row.get(key))]
    return "\u2013".join(text.decimal(number) for number in known) or text.NONE


def _output_codes(row: dict[str, Any]) -> str:
    """Bits and exponent of an output that is not even int8 codes, and what the exponent gains."""
    bits, exponent, gain = (row.get(f"output_{key}") for key in ("bits", "exponent", "gain_db"))
    if not all(text.known(number) for number in (bits, exponent, gain)):
        return ""
    return f"{bits} bits" if exponent == 1.0 else f"{bits} bits, a = {exponent:.2f} (+{gain:.1f} dB)"


def _decibels(ratio: float | None) -> str:
    return text.NONE if ratio is None or not text.known(ratio) else f"{ratio:.1f} dB"


def _share(decibels: float | None) -> float:
    """Percent of the full ratio."""
    return round(100.0 * min(1.0, max(0.0, (decibels or 0.0) / _FULL_SQNR_DB)), 3)


def noise_drawing(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Lines over the layers in order; None for fewer than two layers."""
    if len(rows) < 2:
        return None
    step = (WIDTH - _LEFT - _RIGHT) / (len(rows) - 1)
    lines = []
    for key, label, style in _LINES:
        points = [
            {
                "x": round(_LEFT + index * step, 1),
                "y": _height(row[key]),
                "tip": f"{row.get('name')}: {label} {_decibels(row[key])}",
            }
            for index, row in enumerate(rows)
            if isinstance(row.get(key), (int, float)) and row[key] == row[key]
        ]
        path = " ".join(f"{p['x']},{p['y']}" for p in points)
        lines.append({"label": label, "style": style, "points": points, "path": path})
    ticks = [{"y": _height(float(db)), "label": f"{db} dB"} for db in range(0, int(_FULL_SQNR_DB) + 1, 20)]
    return {
        "width": WIDTH, "height": HEIGHT, "left": _LEFT, "right": WIDTH - _RIGHT, "bottom": HEIGHT - _BOTTOM,
        "ticks": ticks, "lines": lines, "first": str(rows[0].get("name")), "last": str(rows[-1].get("name")),
    }  # fmt: skip


def _height(decibels: float) -> float:
    """From the top; ratios outside the drawing stand at its edge."""
    share = min(1.0, max(0.0, decibels / _FULL_SQNR_DB))
    return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1.0 - share), 1)
