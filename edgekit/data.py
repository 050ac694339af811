"""Data files as samples for a model: npz, npy, or a folder of images.

Arrays of the model's own integer input type are raw codes; float arrays are real values, which a quantized input's
scale and zero point turn into codes; other integers are real values as they are.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from edgekit.errors import BadData
from edgekit.images import load_image_folder
from edgekit.ir import Array, DType, Value

MAX_BYTES = 1 << 31


@dataclass(frozen=True)
class Dataset:
    """Samples in the form that a model's inputs have.

    Attributes:
        samples: per sample one array per input, of exactly the input's shape and type.
        labels: int64 [samples], or None.
    """

    samples: list[list[Array]]
    labels: npt.NDArray[np.int64] | None


def load_data(path: Path, inputs: Sequence[Value], image_scale: float = 1.0) -> Dataset:
    """Read a data file for a model with these inputs.

    Args:
        path: npz with `x` (several inputs: `x0`, `x1`, ..), or arrays named as the inputs are, and optional integer
            labels `y`; or one npy; or a folder of images with one sub-folder per class. The first axis of an array is
            the samples.
        inputs: the model's inputs: shape, dtype and quantization count.
        image_scale: what pixels 0..255 of image files are multiplied by.

    Raises BadData for a file that cannot be read, or whose arrays do not fit the inputs.
    """
    if path.is_dir():
        return _from_images(path, inputs, image_scale)
    arrays = _read_arrays(path)
    labels = arrays.pop("y", None)
    names = _array_names(arrays, inputs, path)
    columns = [_fit(arrays[name], value, f"{path.name}: {name}") for name, value in zip(names, inputs, strict=True)]
    count = len(columns[0])
    if not count or any(len(column) != count for column in columns):
        raise BadData(f"{path.name}: the inputs have {', '.join(str(len(c)) for c in columns)} samples")
    samples = [list(sample) for sample in zip(*columns, strict=True)]
    return Dataset(samples, None if labels is None else _labels(labels, count, path))


def _array_names(arrays: Mapping[str, Array], inputs: Sequence[Value], path: Path) -> list[str]:
    """The names of the inputs' arrays, in the order of the inputs."""
    names = ["x"] if len(inputs) == 1 and "x0" not in arrays else [f"x{i}" for i in range(len(inputs))]
    own = [value.name for value in inputs]
    missing = [name for name in names if name not in arrays]
    if missing and all(name in arrays for name in own):
        return own
    if missing:
        found = ", ".join(arrays) or "none"
        # An array y is of labels, whatever inputs are called.
        either = "" if own == names or "y" in own else f", or {', '.join(map(repr, own))}"
        raise BadData(
            f"{path.name} has no array {missing[0]!r} (found: {found}); the model has {len(inputs)} inputs: name the "
            f"arrays {', '.join(names)}{either}"
        )
    return names


def input_arrays(array: Array, value: Value, where: str = "x") -> list[Array]:
    """The samples of one input: `array` with samples along its first axis, as arrays of the input's shape and type."""
    return list(_fit(array, value, where))


def codes_of(samples: Sequence[Sequence[Array]], inputs: Sequence[Value]) -> list[list[Array]]:
    """Real-valued float32 samples as a quantized model's inputs; arrays that have an input's type already stay.

    Raises BadData naming the first sample with NaN or infinite numbers.
    """
    return [
        [_as_input(a[None], v, v.name, index)[0] for a, v in zip(sample, inputs, strict=True)]
        for index, sample in enumerate(samples)
    ]


def _fit(array: Array, value: Value, where: str) -> Array:
    """[samples, *input shape] in the input's type."""
    shape = _sample_shape(array.shape, value, where)
    if array.size * value.dtype.size > MAX_BYTES:
        raise BadData(f"{where} has {array.size} elements: more than {MAX_BYTES} bytes as {value.dtype.value}")
    return _as_input(array, value, where).reshape(len(array), *shape)


def _sample_shape(shape: tuple[int, ...], value: Value, where: str) -> tuple[int, ...]:
    """The input's shape; one sample must be that up to axes of size 1, or one of the two a flat vector."""
    if len(shape) < 1:
        raise BadData(f"{where} is a single number: the first axis must be the samples")
    own, wanted = _without_ones(shape[1:]), _without_ones(value.shape)
    same_count = int(np.prod(own)) == int(np.prod(wanted))
    if own == wanted or (same_count and min(len(own), len(wanted)) <= 1):
        return value.shape
    hint = ""
    if same_count and sorted(own) == sorted(wanted):
        hint = "; the axes seem to be in another order: transpose the data to the model's layout"
    expected = list(value.shape[1:] if value.shape[:1] == (1,) else value.shape)
    name, given = value.name, list(shape[1:])
    raise BadData(f"{where} has samples of shape {given}, the model's input {name!r} is {expected}{hint}")


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d for d in shape if d != 1)


def _as_input(array: Array, value: Value, where: str, first: int = 0) -> Array:
    """Samples along the first axis, number `first` and on, in the input's type."""
    if array.dtype.kind not in "fiub":
        raise BadData(f"{where} is {array.dtype}: needs numbers")
    if value.dtype.is_integer and array.dtype == value.dtype.numpy:
        return array
    plain = value.quant is None and value.dtype is not DType.FLOAT32
    with np.errstate(over="ignore"):
        real = array if plain else array.astype(np.float32)
    _require_finite(real, where, first)
    if plain:
        return _as_plain(array, value, where)
    if value.dtype is DType.FLOAT32:
        return real
    assert value.quant is not None
    return value.quant.quantize(real, value.dtype)


def _require_finite(array: Array, where: str, first: int) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        index = first + int(np.argmin(finite.reshape(len(array), -1).all(axis=1)))
        raise BadData(f"{where}: sample {index} has NaN, infinite numbers, or some too large for float32; leave it out")


def _as_plain(array: Array, value: Value, where: str) -> Array:
    """Whole numbers in the input's type, where they fit it; floats for float64."""
    with np.errstate(invalid="ignore"):
        plain = array.astype(value.dtype.numpy)
    if value.dtype.is_float:
        return plain
    if array.dtype.kind == "f" or not np.array_equal(plain, array):
        kind = value.dtype.value
        raise BadData(f"{where} is {array.dtype}, the model's input {value.name!r} takes whole numbers of type {kind}")
    return plain


def _labels(labels: Array, count: int, path: Path) -> npt.NDArray[np.int64]:
    if labels.dtype.kind not in "iu" or labels.size != count or len(labels) != count:
        raise BadData(f"{path.name}: y has shape {list(labels.shape)} of {labels.dtype}, needs {count} integers")
    return labels.reshape(-1).astype(np.int64)


def _from_images(path: Path, inputs: Sequence[Value], scale: float) -> Dataset:
    if len(inputs) != 1:
        raise BadData(f"{path} is a folder of images, the model has {len(inputs)} inputs")
    images, labels = load_image_folder(path, inputs[0].shape, MAX_BYTES)
    real = images.astype(np.float32) * np.float32(scale)
    # Pixels are real values, also for inputs of type uint8.
    fitted = _as_input(real, inputs[0], path.name).reshape(len(images), *inputs[0].shape)
    return Dataset([[sample] for sample in fitted], labels)


def _read_arrays(path: Path) -> dict[str, Array]:
    """All arrays of an npz, or the one of an npy as `x`; sizes are read from the headers first, pickles refused."""
    try:
        if not path.is_file():
            raise BadData(f"{path}: no such file")
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return {"x": _read_npy(file, path.name, path.stat().st_size)}
        with zipfile.ZipFile(path) as archive:
            arrays: dict[str, Array] = {}
            for info in archive.infolist():
                if sum(a.nbytes for a in arrays.values()) > MAX_BYTES:
                    raise BadData(f"{path.name} holds more than {MAX_BYTES} bytes")
                with archive.open(info) as file:
                    arrays[info.filename.removesuffix(".npy")] = _read_npy(file, f"{path.name}: {info.filename}", None)
            return arrays
    except zipfile.BadZipFile:
        raise BadData(f"{path.name} is no npz or npy file") from None
    except (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise BadData(f"cannot read {path.name}: {error}") from None


def _read_npy(file: IO[bytes], where: str, available: int | None) -> Array:
    """One array; `available` bytes bound the data where they are known."""
    try:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise BadData(f"{where}: npy version {version} is not supported")
        shape, column_major, dtype = read_header[version](file)
    except ValueError as error:
        raise BadData(f"{where} is no npy array: {error}") from None
    if dtype.hasobject or dtype.kind not in "fiub":
        raise BadData(f"{where} has elements of type {dtype}: needs plain numbers")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if any(d < 0 for d in shape) or size > MAX_BYTES or (available is not None and size > available):
        raise BadData(f"{where} claims the shape {list(shape)}, {size} bytes: over the file's size or 2 GiB")
    data = file.read(size)
    if len(data) != size:
        raise BadData(f"{where} is truncated")
    array = np.frombuffer(data, dtype)
    return array.reshape(shape[::-1]).T if column_major else array.reshape(shape)
