"""The self-test: one sample and its reference outputs as C tables, in a file that costs nothing unless it is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.codegen.emit import literals
from edgekit.codegen.emit.rendering import template_environment
from edgekit.ir import Array

# Outputs above this many bytes are held as a checksum: a table would cost more flash than it tells.
CHECKSUM_BYTES = 4096
_TEMPLATES = Path(__file__).parent / "templates"
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


def emit_selftest(name: str, inputs: Sequence[Array], outputs: Sequence[Array]) -> str:
    """The C source of `<name>_selftest`.

    Args:
        name: the model's C identifier.
        inputs: one sample, as the model takes it.
        outputs: what the reference gives for it, in the model's order.
    """
    first, wanted = 0, []
    for array in outputs:
        large = array.nbytes > CHECKSUM_BYTES
        wanted.append(
            _table(array)
            | {
                "first": first,
                "width": array.itemsize,
                "checksum": f"{fnv1a(array.tobytes()):#010x}u" if large else None,
            }
        )
        first += array.size
    values = {"name": name, "inputs": [_table(a) for a in inputs], "outputs": wanted}
    return template_environment(_TEMPLATES).get_template("selftest.c.j2").render(values)


def fnv1a(data: bytes) -> int:
    """The 32-bit FNV-1a hash (Fowler, Noll, Vo)."""
    value = _FNV_OFFSET
    for byte in data:
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value


def _table(array: Array) -> dict[str, object]:
    """Type, length and initialiser; floats as their bits, so that every value, NaN too, is exact."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.kind == "f":
        items = [f"{bits:#x}u" for bits in flat.view(f"u{flat.itemsize}").tolist()]
        c_type = f"uint{8 * flat.itemsize}_t"
    else:
        items = [literals.integer(v) for v in flat.tolist()]
        c_type = f"{flat.dtype.name}_t"
    return {"c_type": c_type, "count": flat.size, "bytes": flat.nbytes, "rows": literals.wrap(items)}
