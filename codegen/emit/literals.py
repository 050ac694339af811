"""C literals of numbers, tables and structs, exact and warning-free under -Wconversion."""

from __future__ import annotations

import math

import numpy as np

from edgekit.codegen.program import Constant, Fields, FieldValue
from edgekit.ir import Array

_WIDTH = 112


def integer(value: int) -> str:
    """An integer literal of the narrowest of int32, int64 and uint64; the smallest ones have no literal in C."""
    value = int(value)
    if value == -(1 << 31):
        return "(-2147483647 - 1)"
    if value == -(1 << 63):
        return "(-INT64_C(9223372036854775807) - 1)"
    if value >= 1 << 63:
        return f"UINT64_C({value})"
    return str(value) if abs(value) < 1 << 31 else f"INT64_C({value})"


def float32(value: float) -> str:
    """An exact (hexadecimal) float literal."""
    return _special(value, "f") or f"{float(np.float32(value)).hex()}f"


def float64(value: float) -> str:
    """An exact (hexadecimal) double literal."""
    return _special(value, "") or float(value).hex()


def _special(value: float, suffix: str) -> str | None:
    if math.isnan(value):
        return f'__builtin_nan{suffix}("")'
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}__builtin_inf{suffix}()"
    return None


def float32_decimal(value: float) -> str:
    """An exact float literal for people and for C++ before C++17: nine digits name every float32."""
    digits = f"{float(np.float32(value)):.9g}"
    return f"{digits}f" if "." in digits or "e" in digits else f"{digits}.0f"


def table(constant: Constant) -> str:
    """The initialiser of a constant, wrapped into lines."""
    if constant.rows.dtype.kind == "f":
        literal = float32 if constant.rows.dtype.itemsize == 4 else float64
        items = [literal(v) for v in constant.rows.reshape(-1)]
    elif constant.rows.ndim == 1:
        items = [integer(v) for v in constant.rows.tolist()]
    else:
        items = ["{" + ", ".join(integer(v) for v in row) + "}" for row in constant.rows.tolist()]
    return "{\n" + wrap(items) + "\n}"


def wrap(items: list[str]) -> str:
    """Comma-separated items in indented lines."""
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([*lines, line])


def struct(fields: Fields) -> str:
    """Designated initialisers of a struct."""
    return "{" + ", ".join(f".{key} = {_field(value)}" for key, value in fields.items()) + "}"


def _field(value: FieldValue) -> str:
    if isinstance(value, (int, np.integer)):
        return integer(int(value))
    if isinstance(value, float):
        return float32(value)
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(_field(v) for v in value) + "}"
    assert isinstance(value, dict)
    return struct(value)


def elements(rows: Array) -> int:
    """How many elements the C array has."""
    return int(rows.shape[0]) if rows.ndim > 1 else int(rows.size)
