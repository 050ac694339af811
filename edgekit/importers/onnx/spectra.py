"""DFT and STFT as products with constant tables, and the constant matrix of mel filters."""

from __future__ import annotations

import math

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.elementwise import TYPES
from edgekit.importers.onnx.tensors import MAX_ELEMENTS
from edgekit.ir import Array, DType, Value

_NONE = {"activation": "none"}


def dft(layer: Layer) -> Value:
    """The transform along one axis of [.., N, 1 or 2]; numbers beyond the length are left out."""
    x = layer.value(0)
    rank = len(x.shape)
    axis = layer.int_attr("axis", 1 if layer.opset < 20 else -2)
    if layer.has(2):
        axis = layer.integer(2)
    axis = layer.axis(axis, rank)
    inverse, onesided = bool(layer.int_attr("inverse", 0)), bool(layer.int_attr("onesided", 0))
    if axis == rank - 1 or x.shape[-1] not in (1, 2) or (inverse and onesided and x.shape[-1] == 1):
        raise layer.bad(f"a transform along axis {axis} does not fit {list(x.shape)}")
    whole = 2 * (x.shape[axis] - 1) if inverse and onesided else x.shape[axis]
    length = layer.integer(1) if layer.has(1) else whole
    perm = [a for a in range(rank - 1) if a != axis] + [axis, rank - 1]
    y = _transform(layer, layer.transpose(x, perm, "line"), None, length, inverse, onesided)
    return layer.transpose(y, np.argsort(perm).tolist(), "")


def stft(layer: Layer) -> Value:
    """Windowed frames of [B, L, 1 or 2], each transformed."""
    signal, step = layer.value(0), layer.integer(1)
    if len(signal.shape) == 2:
        signal = layer.reshape(signal, (*signal.shape, 1), "signal")
    window = layer.value(2) if layer.has(2) else None
    length = layer.integer(3) if layer.has(3) else (window.elements if window is not None else 0)
    if len(signal.shape) != 3 or step < 1 or not 1 <= length <= signal.shape[1]:
        raise layer.bad(f"frames of {length} every {step} do not fit {list(signal.shape)}")
    if window is not None and window.shape != (length,):
        raise layer.bad(f"a window of {list(window.shape)} does not fit frames of {length}")
    starts = np.arange(0, signal.shape[1] - length + 1, step)
    layer.claim(8 * len(starts) * length)
    places = Value.constant(f"{layer.name} places", starts[:, None] + np.arange(length))
    frames = layer.emit("gather", [signal, places], {"axis": 1}, "frames")
    fixed = window.array if window is not None and window.is_constant else None
    if window is not None and fixed is None:
        frames = layer.emit("mul", [frames, layer.reshape(window, (length, 1), "window")], _NONE, "windowed")
    return _transform(layer, frames, fixed, length, False, bool(layer.int_attr("onesided", 1)))


def _transform(
    layer: Layer, x: Value, window: Array | None, length: int, inverse: bool, onesided: bool
) -> Value:  # fmt: skip
    """x [.., N, 1 or 2] times the table of a transform of `length`: [.., bins, 2], or 1 of a one-sided inverse."""
    if layer.builder.quantized or not x.dtype.is_float:
        raise layer.unsupported(f"a transform of {x.dtype.value}", "transform float32 numbers")
    bins = length // 2 + 1 if onesided else length
    used = min(x.shape[-2], bins if inverse else length)
    parts = 1 if inverse and onesided else 2
    outputs = length if inverse else bins
    if length < 1 or used * x.shape[-1] * outputs * parts > MAX_ELEMENTS:
        raise layer.bad(f"a transform of {length} numbers is too long, or empty")
    layer.claim(96 * used * outputs)
    table = _table(length, used, outputs, inverse, onesided)
    if window is not None:
        table = table * window[:used, None, None, None]
    matrix = table[:, : x.shape[-1], :, :parts].reshape(used * x.shape[-1], outputs * parts).astype(x.dtype.numpy)
    attrs = {"starts": (0,) * len(x.shape), "steps": (1,) * len(x.shape), "sizes": (*x.shape[:-2], used, x.shape[-1])}
    part = x if used == x.shape[-2] else layer.emit("slice", [x], attrs, "used")
    rows = layer.reshape(part, (math.prod(x.shape[:-2]), len(matrix)), "rows")
    if x.dtype is DType.FLOAT32:
        y = layer.emit("fully_connected", [rows, Value.constant(f"{layer.name} table", matrix.T)], _NONE, "product")
    else:
        both = [rows, Value.constant(f"{layer.name} table", matrix)]
        y = layer.emit("matmul", both, {"transpose_a": False, "transpose_b": False}, "product")
    return layer.reshape(y, (*x.shape[:-2], outputs, parts), "bins")


def _table(length: int, used: int, outputs: int, inverse: bool, onesided: bool) -> Array:
    """float64 [used, 2, outputs, 2]: what a real or imaginary part adds to a real or imaginary part."""
    # Whole turns are taken off in integers, and zeros are exact.
    turns = np.outer(np.arange(used), np.arange(outputs)) % length
    angle = 2 * np.pi * turns / length
    cosine = np.where(4 * turns % (2 * length) == length, 0.0, np.cos(angle))
    sine = np.where(2 * turns % length == 0, 0.0, np.sin(angle)) * (1 if inverse else -1)
    table = np.stack([np.stack([cosine, sine], -1), np.stack([-sine, cosine], -1)], 1)
    if inverse:
        weight = np.ones(used)
        if onesided:
            # Bins other than the first and the middle one stand for their mirror images too.
            weight[1 : (length + 1) // 2] = 2
        table = table * (weight / length)[:, None, None, None]
    return np.asarray(table)


def mel_weight_matrix(layer: Layer) -> Constant:
    """Triangular filters [bins, mels] whose corners are equally spaced on the mel scale."""
    mels, length, rate = (layer.integer(i) for i in range(3))
    low, high = layer.scalar(3), layer.scalar(4)
    code = layer.int_attr("output_datatype", 1)
    audible = all(0 <= hertz < math.inf for hertz in (low, high))
    if code not in TYPES or min(mels, length, rate) < 1 or mels * length > MAX_ELEMENTS or not audible:
        raise layer.bad(f"{mels} filters of a transform of {length} at {rate} Hz into ONNX type {code} do not exist")
    layer.claim(64 * mels * (length // 2 + 1))
    first, last = (2595 * math.log10(1 + hertz / 700) for hertz in (low, high))
    corners = first + np.arange(mels + 2) * (last - first) / (mels + 2)
    hertz = 700 * (10 ** (corners / 2595) - 1)
    edge = np.floor((length + 1) * hertz / rate).astype(np.int64)
    left, centre, right, bins = edge[:-2], edge[1:-1], edge[2:], np.arange(length // 2 + 1)[:, None]
    rising = np.where(centre == left, 1.0, (bins - left) / np.maximum(centre - left, 1))
    falling = (right - bins) / np.maximum(right - centre, 1)
    matrix = np.where((bins >= left) & (bins <= centre), rising, 0.0)
    matrix = np.where((bins >= centre) & (bins < right), falling, matrix)
    return Constant(layer.record.outputs[0], matrix.astype(TYPES[code].numpy))
