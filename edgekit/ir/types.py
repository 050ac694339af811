"""Element types and quantization types of values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ir.codebook import Codebook


class DType(enum.Enum):
    """Element type of a value; the enum's value is numpy's name of it."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype."""
        return np.dtype(self.value)

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def c_name(self) -> str:
        """The C99 type."""
        return {"float32": "float", "float64": "double", "bool": "uint8_t"}.get(self.value, f"{self.value}_t")

    @property
    def suffix(self) -> str:
        """How kernels on plain numbers of this type end: f32, i8, u8, ..; bool is u8. Quantized codes are s8, s16."""
        kind, bits = ("u", 8) if self is DType.BOOL else (self.numpy.kind, 8 * self.size)
        return f"{kind}{bits}"

    @property
    def is_float(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def is_integer(self) -> bool:
        """Whole numbers, bool not among them."""
        return self.numpy.kind in "iu"

    @staticmethod
    def of(array: npt.NDArray[np.generic]) -> DType:
        """The type of an array; raises ValueError for one that edgekit has no type for."""
        return DType(str(array.dtype))


# A tensor that is always zero still needs a scale; this one lets it hold numbers of ordinary size.
_UNIT_SPAN = 1.0


@dataclass(frozen=True)
class Grid:
    """The few numbers that an activation can be: codes of `bits` bits that are spaced evenly in |x| ** exponent.

    With n the most codes on one side of zero, code c of 0 to 2 ** bits - 1 stands for
    sign(c - zero) * largest * (|c - zero| / n) ** (1 / exponent), rounded, steps of the value's scale. Only torch and
    the function of ONNX files say so once more; tests hold them to this.

    Attributes:
        bits: 8, and memory holds codes less 128: levels take 16 bits, and readers decode them through a table. Or 4,
            and memory holds levels plus the zero point, as of any int8 value.
        exponent: above 0, at most 1, which is even in x too; smaller ones have more codes near zero.
        zero: the code of 0.
        largest: the level farthest from zero; 4 bits: at most 255 are between the lowest and the highest level.
    """

    bits: int
    exponent: float
    zero: int
    largest: int

    @property
    def coded(self) -> bool:
        """Whether memory holds codes instead of levels."""
        return self.bits == 8

    @property
    def most(self) -> int:
        """n: the codes on the longer side of zero."""
        return max(self.zero, (1 << self.bits) - 1 - self.zero)

    @cached_property
    def levels(self) -> npt.NDArray[np.int64]:
        """int64 [2 ** bits], by code."""
        numbers = self.between(np.arange(1 << self.bits))
        return np.asarray(np.sign(numbers) * np.floor(np.abs(numbers) + 0.5), np.int64)

    def between(self, codes: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """What codes stand for, in steps of the scale and not rounded; those of places between codes too."""
        places = codes.astype(np.float64) - self.zero
        sizes = self.largest * (np.abs(places) / self.most) ** (1.0 / self.exponent)
        return np.asarray(np.sign(places) * sizes, np.float64)

    def spacing(self, scale: float) -> float:
        """What |x| ** exponent of real numbers x grows by from code to code."""
        return float((scale * self.largest) ** self.exponent / self.most)

    @property
    def lowest(self) -> int:
        """What memory holds for code 0, less what it holds for the number 0."""
        return -self.zero if self.coded else int(self.levels[0])

    def codes(self, steps: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """int64 codes of numbers in steps of the scale: nearest in |x| ** exponent, halves away from 0, saturated; NaN
        has the code of 0.
        """
        numbers = np.nan_to_num(steps.astype(np.float64), nan=0.0)
        sizes = np.abs(numbers) / self.largest
        places = np.floor(self.most * np.minimum(sizes, 2.0) ** self.exponent + 0.5)
        codes = self.zero + np.sign(numbers) * places
        saturated: npt.NDArray[np.int64] = np.clip(codes, 0, (1 << self.bits) - 1).astype(np.int64)
        return saturated


@dataclass(frozen=True)
class QuantType:
    """Affine quantization, real = scale * (code - zero_point); with a grid, real = scale * level.

    Attributes:
        scale: float32 values, one, or one per index of `axis`.
        zero_point: as many integers, in the value's own code range.
        axis: the channel axis of per-channel quantization, None for per-tensor.
        codebook: what the integers of constant weights may be, where they are stored in less than 8 bits.
        grid: what an activation may be, where that is not every int8 code; of int8 values per tensor.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None
    codebook: Codebook | None = None
    grid: Grid | None = None

    @staticmethod
    def per_tensor(scale: float, zero_point: int) -> QuantType:
        """One scale and one zero point for the whole tensor."""
        return QuantType((float(np.float32(scale)),), (int(zero_point),))

    @staticmethod
    def covering(low: float, high: float) -> QuantType:
        """int8 codes from -128 to 127 over [low, high] and 0, which gets a code of its own."""
        low, high = min(low, 0.0), max(high, 0.0)
        if not high - low > np.finfo(np.float32).tiny * 1e6:
            high = low + _UNIT_SPAN
        scale = float(np.float32((high - low) / 255.0))
        zero = int(np.clip(np.floor(-128.0 - low / scale + 0.5), -128, 127))
        return QuantType.per_tensor(scale, zero)

    @staticmethod
    def on_grid(scale: float, grid: Grid) -> QuantType:
        """int8 values of a grid, whose code 0 is -128 in memory."""
        return QuantType((float(np.float32(scale)),), (-128 - grid.lowest,), grid=grid)

    def of_channels(self, kept: npt.NDArray[np.int64]) -> QuantType:
        """The quantization of some channels of a constant, in that order; without a codebook where that has none of
        them (`Codebook.of_channels`).
        """
        if self.is_per_tensor:
            return self
        scale, zero = tuple(self.scale[i] for i in kept), tuple(self.zero_point[i] for i in kept)
        book = None if self.codebook is None else self.codebook.of_channels(kept)
        return replace(self, scale=scale, zero_point=zero, codebook=book)

    @property
    def is_per_tensor(self) -> bool:
        return self.axis is None

    @property
    def is_coded(self) -> bool:
        """Whether memory holds codes that stand for levels of a grid, so that readers decode them."""
        return self.grid is not None and self.grid.coded

    @property
    def reach(self) -> int:
        """The most steps of the scale that an int8 value can be from 0."""
        if self.grid is not None:
            return self.grid.largest
        return max(max(abs(-128 - zero), abs(127 - zero)) for zero in self.zero_point)

    def steps(self, codes: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """int64: the integers in memory of a per-tensor value as steps of its scale from 0."""
        if self.grid is not None and self.grid.coded:
            return self.grid.levels[codes.astype(np.int64) + 128]
        return codes.astype(np.int64) - self.zero_point[0]

    def quantize(self, real: npt.NDArray[np.generic], dtype: DType) -> npt.NDArray[np.generic]:
        """Codes of real values: round half away from zero (as TFLite), saturated to `dtype`; NaN has the code of 0."""
        if self.grid is not None:
            codes = self.grid.codes(real.astype(np.float64) / self.scale[0])
            held = codes - 128 if self.grid.coded else self.grid.levels[codes] + self.zero_point[0]
            return held.astype(dtype.numpy)
        info = np.iinfo(dtype.numpy)
        scale, zero = self._broadcast(real.ndim)
        with np.errstate(over="ignore"):
            scaled = np.nan_to_num(real.astype(np.float32) / scale, nan=0.0, posinf=np.inf, neginf=-np.inf)
        rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.float64) + zero
        saturated: npt.NDArray[np.generic] = np.clip(rounded, info.min, info.max).astype(dtype.numpy)
        return saturated

    def dequantize(self, codes: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Real values of codes, computed in float32 as TFLite does."""
        if self.grid is not None:
            levels: npt.NDArray[np.float32] = self.steps(codes).astype(np.float32) * np.float32(self.scale[0])
            return levels
        scale, zero = self._broadcast(codes.ndim)
        real: npt.NDArray[np.float32] = (codes.astype(np.int64) - zero).astype(np.float32) * scale
        return real

    def _broadcast(self, rank: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        shape = [1] * rank
        if self.axis is not None:
            shape[self.axis] = len(self.scale)
        return (
            np.array(self.scale, np.float32).reshape(shape if rank else ()),
            np.array(self.zero_point, np.int64).reshape(shape if rank else ()),
        )
