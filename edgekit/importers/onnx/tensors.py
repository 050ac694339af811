"""TensorProto -> numpy array: sizes are checked before memory is taken, external data stays in the model's folder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.ir import Array

MAX_ELEMENTS = 1 << 27
# Numbers that stand one by one in the file take many times their size while they are read.
MAX_LISTED = 1 << 24
# Shape arithmetic is small. Larger results are built only where a layer reads them as weights.
MAX_GROWN_ELEMENTS = 1 << 22
# All arrays that importing makes, beyond those that stand in the file.
MAX_CONSTANT_BYTES = 3 << 28

_TYPES = {
    TensorProto.FLOAT: "<f4",
    TensorProto.DOUBLE: "<f8",
    TensorProto.FLOAT16: "<f2",
    TensorProto.INT8: "i1",
    TensorProto.UINT8: "u1",
    TensorProto.INT16: "<i2",
    TensorProto.UINT16: "<u2",
    TensorProto.INT32: "<i4",
    TensorProto.INT64: "<i8",
    TensorProto.BOOL: "?",
}
_FIELDS = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
}


def is_large_fill(array: Array) -> bool:
    """Whether an array is one number, repeated so often that only weights may really be that large."""
    return array.size > MAX_GROWN_ELEMENTS and not any(array.strides)


def dense(array: Array) -> Array:
    """The array in the order of memory; one repeated number stays a view of that number."""
    return array if array.size > 1 and not any(array.strides) else np.asarray(array, order="C")


def type_name(data_type: int) -> str:
    """The name of an ONNX element type, for errors."""
    known = data_type in TensorProto.DataType.values()
    return TensorProto.DataType.Name(data_type) if known else f"type {data_type}"


def require_few_listed(tensors: Iterable[TensorProto], file: str) -> None:
    """Raise BadModel where tensors hold more numbers one by one, not as raw bytes, than edgekit reads."""
    fields = ("int32_data", "int64_data", "float_data", "double_data", "uint64_data")
    listed = sum(len(getattr(tensor, name)) for tensor in tensors for name in fields)
    if listed > MAX_LISTED:
        raise BadModel(f"{file} lists {listed} numbers one by one, over the limit of {MAX_LISTED}: store raw_data")


def read_tensor(tensor: TensorProto, folder: Path) -> Array:
    """The array of a tensor; raises BadModel where its data do not fit its shape."""
    name = tensor.name
    if tensor.data_type not in _TYPES:
        kind = type_name(tensor.data_type)
        raise UnsupportedModel(f"tensor {name!r} is {kind}: export in float32, or quantized as QDQ")
    dtype = np.dtype(_TYPES[tensor.data_type])
    shape = _shape(tensor)
    count = math.prod(shape)
    if tensor.data_location == TensorProto.EXTERNAL:
        array = np.frombuffer(_external(tensor, folder, count * dtype.itemsize), dtype)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            need = count * dtype.itemsize
            raise BadModel(f"tensor {name!r} has {len(tensor.raw_data)} bytes, its shape {list(shape)} needs {need}")
        array = np.frombuffer(tensor.raw_data, dtype)
    else:
        array = _typed_data(tensor, dtype, count)
    return array.astype(dtype.newbyteorder("=")).reshape(shape)


def is_narrow(tensor: TensorProto) -> bool:
    """Whether a tensor holds integers of 4 bits."""
    return tensor.data_type in (TensorProto.INT4, TensorProto.UINT4)


def read_narrow(tensor: TensorProto, folder: Path) -> Array:
    """Integers of 4 bits, which stand two to a byte with the first in the low half, as int8 or uint8; raises as
    `read_tensor`."""
    shape = _shape(tensor)
    count = math.prod(shape)
    size = -(-count // 2)
    if tensor.data_location == TensorProto.EXTERNAL:
        data = _external(tensor, folder, size)
    elif tensor.HasField("raw_data"):
        data = tensor.raw_data
    else:
        # The format keeps a byte of two numbers in every int32.
        data = (np.fromiter(tensor.int32_data, np.int64, len(tensor.int32_data)) & 0xFF).astype(np.uint8).tobytes()
    if len(data) != size:
        raise BadModel(f"tensor {tensor.name!r} has {len(data)} bytes, its shape {list(shape)} needs {size}")
    pairs = np.frombuffer(data, np.uint8)
    numbers = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:count].reshape(shape)
    return numbers if tensor.data_type == TensorProto.UINT4 else ((numbers ^ 8).astype(np.int8) - np.int8(8))


def _shape(tensor: TensorProto) -> tuple[int, ...]:
    shape = tuple(int(d) for d in tensor.dims)
    # Each axis too: numpy refuses huge axes even of empty arrays.
    if any(not 0 <= d <= MAX_ELEMENTS for d in shape) or len(shape) > 8 or math.prod(shape) > MAX_ELEMENTS:
        raise BadModel(f"tensor {tensor.name!r} has the impossible shape {list(shape)[:9]}")
    return shape


def _typed_data(tensor: TensorProto, dtype: np.dtype[np.generic], count: int) -> Array:
    values = getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data"))
    if len(values) != count:
        raise BadModel(f"tensor {tensor.name!r} has {len(values)} elements, its shape needs {count}")
    if tensor.data_type == TensorProto.FLOAT16:
        # The format keeps the bits of half floats in the low half of int32.
        return (np.fromiter(values, np.int64, count) & 0xFFFF).astype(np.uint16).view(np.float16)
    wide = np.fromiter(values, np.float64 if dtype.kind == "f" else np.int64, count)
    narrow = wide.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(narrow.astype(np.int64), wide):
        raise BadModel(f"tensor {tensor.name!r} has values outside {dtype.name}")
    return narrow


def _external(tensor: TensorProto, folder: Path, size: int) -> bytes:
    """Bytes of a tensor kept in another file, which must lie inside the model's folder."""
    name, entries = tensor.name, {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(size)))
    except ValueError:
        raise BadModel(f"tensor {name!r}: external data offset and length must be numbers") from None
    escapes = Path(location).is_absolute() or ".." in location.replace("\\", "/").split("/")
    if not location or "\0" in location or escapes:
        raise BadModel(f"tensor {name!r}: external data {location!r} must be a path inside the model's folder")
    root = folder.resolve()
    try:
        path = (root / location).resolve()
        if not path.is_relative_to(root):
            raise BadModel(f"tensor {name!r}: external data {location!r} leaves the model's folder")
        if not path.is_file():
            raise BadModel(f"tensor {name!r}: external data file {location!r} is missing")
        if offset < 0 or length != size or offset + length > path.stat().st_size:
            raise BadModel(
                f"tensor {name!r}: external data {location!r} has {path.stat().st_size} bytes;"
                f" offset {offset} and length {length} do not give the {size} bytes of the shape"
            )
        with path.open("rb") as file:
            file.seek(offset)
            data: bytes = file.read(length)
            return data
    except OSError as error:
        raise BadModel(f"tensor {name!r}: cannot read external data {location!r}: {error.strerror}") from None
