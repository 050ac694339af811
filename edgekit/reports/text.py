"""Numbers as people read them; every function takes None (not known) and gives a dash for it."""

from __future__ import annotations

import math

NONE = "–"


def known(value: float | None) -> bool:
    """Whether a number is there and finite."""
    return value is not None and math.isfinite(value)


def count(value: float | None) -> str:
    """An integer with thin spaces between thousands."""
    return NONE if value is None or not math.isfinite(value) else f"{round(value):,}".replace(",", "\u202f")


def short_count(value: float | None) -> str:
    """Three significant digits with k, M or G."""
    if value is None or not math.isfinite(value):
        return NONE
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{_three(value / factor)} {unit}"
    return f"{value:.0f}"


def size(value: float | None) -> str:
    """Bytes in B, KiB or MiB."""
    if value is None or not math.isfinite(value):
        return NONE
    for factor, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if abs(value) >= factor:
            return f"{_three(value / factor)} {unit}"
    return f"{value:.0f} B"


def exact_size(value: float | None) -> str:
    """Bytes, every one."""
    return NONE if value is None else f"{count(value)} B"


def percent(value: float | None) -> str:
    """A fraction as percent."""
    return NONE if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def decimal(value: float | None, digits: int = 2) -> str:
    """A fixed number of decimals."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def milliseconds(value: float | None) -> str:
    """Milliseconds with three significant digits."""
    return NONE if value is None or not math.isfinite(value) else f"{_three(value)} ms"


def short_name(name: str, characters: int = 32) -> str:
    """A layer's name cut to its end; of TFLite's fused names ("a;b;c") the first part: the last one may be cut off."""
    first = name.lstrip(";").partition(";")[0] or name
    return first if len(first) <= characters else "…" + first[1 - characters :]


def _three(value: float) -> str:
    magnitude = abs(value)
    return f"{value:.0f}" if magnitude >= 100 else f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}"
