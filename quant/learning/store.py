"""Finished blocks in a folder, so that an interrupted learning goes on where it was."""

from __future__ import annotations

import hashlib
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir import Array
from edgekit.quant.power import LEAST_EXPONENT, MOST_EXPONENT, CodedRows

# What reading a missing or damaged npz file raises: numpy's and zipfile's readers have several, by where it is damaged.
_DAMAGED = (
    OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError, MemoryError,
    SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip

_DIGITS = 24
Finished = tuple[dict[str, CodedRows], float | None]


class BlockStore:
    """One npz file per finished block, whose name says of which learning.

    Args:
        folder: created where it does not exist; None keeps nothing.
        parts: all that the result depends on; another learning's files are not seen.

    Raises BadUsage for a folder that cannot be created.
    """

    def __init__(self, folder: Path | None, parts: Sequence[bytes]) -> None:
        self.folder, self._digest = folder, hashlib.sha256()
        for part in parts:
            self._digest.update(len(part).to_bytes(8, "little") + part)
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _not_kept(folder, error) from error

    def _path(self, block: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{self._digest.hexdigest()[:_DIGITS]}-{block}.npz"

    def load(self, block: str, starts: Mapping[str, CodedRows]) -> Finished | None:
        """(codes by the name of a product, loss) of a finished block; None where there is no such file.

        starts: the codes that the block's learning begins with, by the name of a product. A file that is damaged, or
        that has other names, widths or shapes, or numbers that are no codes, is as if it were not there: the block is
        learned anew.
        """
        path = self._path(block)
        if path is None:
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = _rows(arrays)
                loss = float(arrays["loss"]) if "loss" in arrays else None
        except _DAMAGED:
            return None
        fits = list(found) == list(starts) and all(_fits(found[name], start) for name, start in starts.items())
        return (found, loss) if fits and (loss is None or np.isfinite(loss)) else None

    def save(self, block: str, coded: Mapping[str, CodedRows], loss: float | None) -> None:
        """Keep a finished block; the file appears at once or not at all. Raises BadUsage where it cannot be written."""
        path = self._path(block)
        if path is None:
            return
        arrays: dict[str, Array] = {"names": np.array(list(coded))}
        if loss is not None:
            arrays["loss"] = np.array(loss)
        for index, rows in enumerate(coded.values()):
            arrays |= {f"codes{index}": rows.codes, f"peaks{index}": rows.peaks}
            arrays |= {
                f"exponents{index}": np.array(rows.exponents),
                f"form{index}": np.array([rows.bits, rows.group, rows.halves]),
            }
            if rows.bias is not None:
                arrays[f"bias{index}"] = rows.bias
        made = path.with_suffix(".partial.npz")
        try:
            np.savez(made, allow_pickle=False, **arrays)
            made.replace(path)
        except OSError as error:
            with suppress(OSError):
                made.unlink()
            raise _not_kept(path.parent, error) from error


def kept_files(folder: Path) -> list[Path]:
    """Files of any learning in a folder, also such that were not finished; what else stands there is not ours."""
    form = re.compile(rf"[0-9a-f]{{{_DIGITS}}}-\d+(\.partial)?\.npz")
    return [path for path in folder.iterdir() if form.fullmatch(path.name)]


def _rows(arrays: Mapping[str, Array]) -> dict[str, CodedRows]:
    found: dict[str, CodedRows] = {}
    for index, name in enumerate(arrays["names"].tolist()):
        form, exponents = arrays[f"form{index}"], arrays[f"exponents{index}"]
        if form.dtype.kind != "i" or exponents.ndim != 1 or exponents.dtype != np.float64:
            raise ValueError("no form and no exponents of weights")
        bits, group, halves = form.tolist()
        bias = arrays.get(f"bias{index}")
        codes, peaks = arrays[f"codes{index}"], arrays[f"peaks{index}"]
        found[name] = CodedRows(codes, peaks, tuple(exponents.tolist()), bits, bias, group, bool(halves))
    return found


def _fits(rows: CodedRows, start: CodedRows) -> bool:
    """Whether these can be what a learning that began with `start` ends with."""
    bias = np.zeros(len(start.peaks)) if rows.bias is None else rows.bias
    alike = all(
        a.shape == b.shape and a.dtype == b.dtype
        for a, b in ((rows.codes, start.codes), (rows.peaks, start.peaks), (bias, start.peaks))
    )
    # A channel of zeros has the peak 0; exponents are learned as float32 logarithms, which round at their limits.
    return (
        alike
        and _form(rows) == _form(start)
        and bool((rows.codes >= start.book.lowest_code).all() and (rows.codes <= start.book.largest_code).all())
        and bool(np.isfinite(rows.peaks).all() and (rows.peaks >= 0).all() and np.isfinite(bias).all())
        and all(LEAST_EXPONENT * (1 - 1e-6) <= exponent <= MOST_EXPONENT for exponent in rows.exponents)
    )


def _form(rows: CodedRows) -> tuple[int, int, int, bool]:
    return rows.bits, rows.group, len(rows.exponents), rows.halves


def _not_kept(folder: Path, error: OSError) -> BadUsage:
    reason = error.strerror or error
    return BadUsage(f"what is learned cannot be kept in {folder} ({reason}): give a folder to write to with --resume")
