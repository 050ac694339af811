"""Finished blocks in a folder, so that an interrupted learning goes on where it was."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgekit.ir import Array
from edgekit.quant.power import CodedRows


class BlockStore:
    """One npz file per finished block, whose name says of which learning.

    Args:
        folder: created where it does not exist; None keeps nothing.
        parts: all that the result depends on; another learning's files are not seen.
    """

    def __init__(self, folder: Path | None, parts: Sequence[bytes]) -> None:
        self.folder, self._digest = folder, hashlib.sha256()
        for part in parts:
            self._digest.update(len(part).to_bytes(8, "little") + part)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def _path(self, block: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{self._digest.hexdigest()[:24]}-{block}.npz"

    def load(self, block: str) -> tuple[dict[str, CodedRows], float] | None:
        """(codes by the name of a product, loss) of a finished block, None where there is no such file."""
        path = self._path(block)
        if path is None or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return _rows(arrays), float(arrays["loss"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            # A damaged file is learned anew.
            return None

    def save(self, block: str, coded: Mapping[str, CodedRows], loss: float) -> None:
        """Keep a finished block; the file appears at once or not at all."""
        path = self._path(block)
        if path is None:
            return
        arrays: dict[str, Array] = {"names": np.array(list(coded)), "loss": np.array(loss)}
        for index, rows in enumerate(coded.values()):
            arrays |= {f"codes{index}": rows.codes, f"peaks{index}": rows.peaks}
            arrays[f"form{index}"] = np.array([rows.exponent, rows.bits])
            if rows.bias is not None:
                arrays[f"bias{index}"] = rows.bias
        made = path.with_suffix(".partial.npz")
        np.savez(made, allow_pickle=False, **arrays)
        made.replace(path)


def _rows(arrays: Mapping[str, Array]) -> dict[str, CodedRows]:
    found: dict[str, CodedRows] = {}
    for index, name in enumerate(arrays["names"].tolist()):
        exponent, bits = arrays[f"form{index}"].tolist()
        bias = arrays.get(f"bias{index}")
        found[name] = CodedRows(arrays[f"codes{index}"], arrays[f"peaks{index}"], exponent, int(bits), bias)
    return found
