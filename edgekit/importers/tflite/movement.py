"""Operators that only move elements: codes keep their quantization."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.importers.tflite.layer import Layer
from edgekit.ir import Array, DType, Value


def reshape(layer: Layer) -> Value:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the file gives the result's shape."""
    return layer.result("reshape", [layer.value(0)], {"shape": layer.outputs[0].shape})


def transpose(layer: Layer) -> Value:
    """TRANSPOSE."""
    x, perm = layer.value(0), layer.ints(1)
    rank = len(x.shape)
    if sorted(p % rank if rank else p for p in perm) != list(range(rank)):
        raise layer.bad(f"{list(perm)} is no permutation of {rank} axes")
    return layer.result("transpose", [x], {"perm": tuple(p % rank for p in perm)})


def concatenation(layer: Layer) -> Value:
    """CONCATENATION; parts of another scale are requantized first."""
    parts = [layer.value(i) for i in range(len(layer.operands))]
    if not parts:
        raise layer.bad("has no inputs")
    axis = layer.axis(layer.options.Axis(), len(parts[0].shape))
    activation, quant = layer.activation(), layer.output_quant()
    if activation != "none" and quant is not None:
        raise layer.unsupported("a fused activation of codes", "apply it before")
    parts = [p for p in parts if p.elements] or parts[:1]
    if quant is not None:
        float_steps = {"float_scale": True} if layer.legacy_uint8 else {}
        parts = [
            p if p.quant == quant else layer.emit("requantize", [p], dict(float_steps), f"part {i}", quant)
            for i, p in enumerate(parts)
        ]
    if activation == "none":
        return layer.result("concat", parts, {"axis": axis})
    joined = layer.emit("concat", parts, {"axis": axis}, "joined")
    if activation == "relu_n1_to_1":
        return layer.result("clip", [joined], {"low": -1.0, "high": 1.0})
    return layer.result(activation, [joined], {})


def pack(layer: Layer) -> Value:
    """PACK: a new axis, then a concatenation."""
    parts = [layer.value(i) for i in range(len(layer.operands))]
    if not parts:
        raise layer.bad("has no inputs")
    axis = layer.axis(layer.options.Axis(), len(parts[0].shape) + 1)
    shaped = [layer.reshaped(p, (*p.shape[:axis], 1, *p.shape[axis:]), f"part {i}") for i, p in enumerate(parts)]
    return layer.result("concat", shaped, {"axis": axis})


def unpack(layer: Layer) -> list[Value]:
    """UNPACK: one slice per element of an axis, without that axis."""
    x = layer.value(0)
    axis = layer.axis(layer.options.Axis(), len(x.shape))
    if x.shape[axis] != len(layer.outputs) or layer.options.Num() != len(layer.outputs):
        raise layer.bad(f"makes {len(layer.outputs)} tensors of an axis of {x.shape[axis]}")
    results = []
    for index in range(len(layer.outputs)):
        part = _part(layer, x, axis, index, 1, f"part {index}")
        results.append(layer.result("reshape", [part], {"shape": (*x.shape[:axis], *x.shape[axis + 1 :])}, index))
    return results


def split(layer: Layer) -> list[Value]:
    """SPLIT into equal parts: inputs axis, x."""
    x, count = layer.value(1), len(layer.outputs)
    (axis,) = layer.ints(0)
    axis = layer.axis(axis, len(x.shape))
    if count != layer.options.NumSplits() or x.shape[axis] % count:
        raise layer.bad(f"cannot split an axis of {x.shape[axis]} into {count} parts")
    return _split(layer, x, axis, [x.shape[axis] // count] * count)


def split_v(layer: Layer) -> list[Value]:
    """SPLIT_V into given sizes, of which one may be -1: the rest."""
    x, sizes = layer.value(0), list(layer.ints(1))
    (axis,) = layer.ints(2)
    axis = layer.axis(axis, len(x.shape))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - sum(s for s in sizes if s != -1)
    if min(sizes, default=0) < 1 or sum(sizes) != x.shape[axis] or len(sizes) != len(layer.outputs):
        raise layer.bad(f"sizes {sizes} do not make an axis of {x.shape[axis]} and {len(layer.outputs)} outputs")
    return _split(layer, x, axis, sizes)


def _split(layer: Layer, x: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
    starts = np.cumsum([0, *sizes[:-1]])
    return [
        layer.result("slice", [x], _slice_attrs(x, axis, int(start), size), index)
        for index, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


def _slice_attrs(x: Value, axis: int, start: int, size: int) -> dict[str, object]:
    rank = len(x.shape)
    return {
        "starts": tuple(start if a == axis else 0 for a in range(rank)),
        "steps": (1,) * rank,
        "sizes": tuple(size if a == axis else d for a, d in enumerate(x.shape)),
    }


def _part(layer: Layer, x: Value, axis: int, start: int, size: int, part: str) -> Value:
    return layer.emit("slice", [x], _slice_attrs(x, axis, start, size), part, x.quant)


def slice_(layer: Layer) -> Value:
    """SLICE: begins and sizes, -1 being the rest."""
    x, begins, sizes = layer.value(0), layer.ints(1), layer.ints(2)
    if not len(begins) == len(sizes) == len(x.shape):
        raise layer.bad(f"begins {list(begins)} and sizes {list(sizes)} do not fit {list(x.shape)}")
    extents = tuple(d - b if s == -1 else s for d, b, s in zip(x.shape, begins, sizes, strict=True))
    return layer.result("slice", [x], {"starts": begins, "steps": (1,) * len(extents), "sizes": extents})


def strided_slice(layer: Layer) -> Value:
    """STRIDED_SLICE with all masks: numpy's basic indexing."""
    x, options = layer.value(0), layer.options
    begins, ends, strides = (layer.ints(i) for i in (1, 2, 3))
    if options.Offset():
        raise layer.unsupported("ends counted from the begins", "export with absolute ends")
    if not len(begins) == len(ends) == len(strides) or 0 in strides:
        raise layer.bad(f"begins {list(begins)}, ends {list(ends)} and strides {list(strides)} do not go together")
    ranges, kept = _spec_ranges(layer, x, begins, ends, strides)
    sizes = tuple(len(r) for r in ranges)
    if 0 in sizes:
        raise layer.unsupported(f"makes an empty tensor {list(sizes)}", "remove the layer")
    attrs = {"starts": tuple(r.start for r in ranges), "steps": tuple(r.step for r in ranges), "sizes": sizes}
    shape = tuple(kept)
    if shape == sizes:
        return layer.result("slice", [x], attrs)
    return layer.result("reshape", [layer.emit("slice", [x], attrs, "part", x.quant)], {"shape": shape})


def _spec_ranges(
    layer: Layer, x: Value, begins: Sequence[int], ends: Sequence[int], strides: Sequence[int]
) -> tuple[list[range], list[int]]:
    """The indices taken of every axis, and the result's shape with new axes in and shrunk ones out."""
    options, rank = layer.options, len(x.shape)
    ellipsis, new, shrink = options.EllipsisMask(), options.NewAxisMask(), options.ShrinkAxisMask()
    used = sum(not (ellipsis | new) >> i & 1 for i in range(len(begins)))
    ranges: list[range] = []
    shape: list[int] = []
    for i, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        if ellipsis >> i & 1:
            for _ in range(rank - used):
                shape.append(x.shape[len(ranges)])
                ranges.append(range(x.shape[len(ranges)]))
        elif new >> i & 1:
            shape.append(1)
        elif len(ranges) >= rank:
            raise layer.bad(f"has more axes than its input {list(x.shape)}")
        else:
            size = x.shape[len(ranges)]
            if shrink >> i & 1:
                start = layer.axis(begin, size) if size else 0
                ranges.append(range(start, start + 1))
                continue
            start_or_none = None if options.BeginMask() >> i & 1 else begin
            # A reversed slice ends before the first element, which Python writes as None.
            past = stride < 0 and end < -size
            end_or_none = None if options.EndMask() >> i & 1 or past else end
            ranges.append(range(size)[slice(start_or_none, end_or_none, stride)])
            shape.append(len(ranges[-1]))
    for axis in range(len(ranges), rank):
        ranges.append(range(x.shape[axis]))
        shape.append(x.shape[axis])
    return ranges, shape


def reverse(layer: Layer) -> Value:
    """REVERSE_V2 along some axes."""
    x = layer.value(0)
    axes = {layer.axis(a, len(x.shape)) for a in layer.ints(1)}
    starts = tuple(d - 1 if a in axes else 0 for a, d in enumerate(x.shape))
    steps = tuple(-1 if a in axes else 1 for a in range(len(x.shape)))
    return layer.result("slice", [x], {"starts": starts, "steps": steps, "sizes": x.shape})


def gather(layer: Layer) -> Value:
    """GATHER by constant or computed indices; batch axes are not built."""
    x, indices, options = layer.value(0), layer.value(1), layer.record.options
    axis = layer.axis(0 if options is None else options.Axis(), len(x.shape))
    batch = 0 if options is None else options.BatchDims()
    if batch:
        raise layer.unsupported(f"{batch} batch axes", "gather along one axis for the whole batch")
    _check_indices(layer, indices, x.shape[axis])
    return layer.result("gather", [x, indices], {"axis": axis})


def embedding_lookup(layer: Layer) -> Value:
    """EMBEDDING_LOOKUP: rows of a table, whose codes become the numbers that they are."""
    indices, table = layer.value(0), layer.value(1)
    _check_indices(layer, indices, table.shape[0] if table.shape else 0)
    if table.quant is not None and layer.outputs[0].dtype is DType.FLOAT32:
        table = Value.constant(table.name, table.quant.dequantize(layer.constant(1)))
    return layer.result("gather", [table, indices], {"axis": 0})


def _check_indices(layer: Layer, indices: Value, size: int) -> None:
    if indices.is_constant and indices.elements:
        low, high = int(indices.array.min()), int(indices.array.max())
        if low < 0 or high >= size:
            raise layer.bad(f"indices {low} to {high} leave an axis of {size}")


def tile(layer: Layer) -> Value:
    """TILE."""
    return layer.result("tile", [layer.value(0)], {"repeats": layer.ints(1)})


def broadcast_to(layer: Layer) -> Value:
    """BROADCAST_TO."""
    return layer.result("expand", [layer.value(0)], {"shape": layer.ints(1)})


def pad(layer: Layer) -> Value:
    """PAD with zeros (the zero point of codes) and PADV2 with a constant of the tensor's own quantization."""
    x = layer.value(0)
    before, after = _amounts(layer, x)
    fill: float | int = 0
    if layer.op == "PADV2":
        given = layer.constant(2)
        if given.size != 1 or (x.quant is not None and layer.value(2).quant != x.quant):
            raise layer.unsupported("a fill value of another quantization", "pad with a value of the tensor's own")
        fill = (given if x.quant is None else x.quant.dequantize(given)).reshape(-1)[0].item()
    return layer.result("pad", [x], {"before": before, "after": after, "value": fill})


def _amounts(layer: Layer, x: Value) -> tuple[tuple[int, ...], tuple[int, ...]]:
    amounts = layer.constant(1)
    if amounts.shape != (len(x.shape), 2) or amounts.dtype.kind != "i" or (amounts.size and amounts.min() < 0):
        raise layer.bad(f"paddings of shape {list(amounts.shape)} do not fit {list(x.shape)}")
    if math.prod(int(d + a + b) for d, (a, b) in zip(x.shape, amounts.tolist(), strict=True)) > 1 << 30:
        raise layer.bad("pads to an impossible size")
    return tuple(int(a) for a in amounts[:, 0]), tuple(int(a) for a in amounts[:, 1])


def mirror_pad(layer: Layer) -> Value:
    """MIRROR_PAD: one gather per padded axis, with the edge (SYMMETRIC) or without it (REFLECT)."""
    x = layer.value(0)
    before, after = _amounts(layer, x)
    symmetric = layer.options.Mode() == schema.MirrorPadMode.SYMMETRIC
    padded = [axis for axis in range(len(x.shape)) if before[axis] or after[axis]]
    for axis in padded:
        size = x.shape[axis]
        if max(before[axis], after[axis]) > size - (not symmetric):
            raise layer.bad(f"mirrors {before[axis]} and {after[axis]} of an axis of {size}")
        places = np.arange(-before[axis], size + after[axis])
        low = np.where(places < 0, -places - symmetric, places)
        indices = np.where(low >= size, 2 * (size - 1) - low + symmetric, low)
        x = _gathered(layer, x, axis, indices, final=axis == padded[-1])
    return x if padded else layer.result("reshape", [x], {"shape": x.shape})


def _gathered(layer: Layer, x: Value, axis: int, indices: Array, final: bool) -> Value:
    table = Value.constant(f"{layer.name} indices {axis}", indices.astype(np.int32))
    if final:
        return layer.result("gather", [x, table], {"axis": axis})
    return layer.emit("gather", [x, table], {"axis": axis}, f"axis {axis}", x.quant)


def resize_nearest(layer: Layer) -> Value:
    """RESIZE_NEAREST_NEIGHBOR: whole factors as one copy, anything else as a gather of rows and one of columns."""
    x, sizes, options = layer.value(0), layer.ints(1), layer.options
    if len(x.shape) != 4 or len(sizes) != 2 or min(sizes) < 1 or math.prod(sizes) > 1 << 26:
        raise layer.bad(f"resizes {list(x.shape)} to {list(sizes)}")
    rows, columns = (
        nearest(x.shape[1 + a], sizes[a], bool(options.AlignCorners()), bool(options.HalfPixelCenters()))
        for a in range(2)
    )
    factors = (sizes[0] // x.shape[1], sizes[1] // x.shape[2])
    if min(factors) > 0 and all(
        len(p) == d * f and (p == np.arange(len(p)) // f).all()
        for p, d, f in zip((rows, columns), x.shape[1:3], factors, strict=True)
    ):
        return layer.result("resize_nearest", [x], {"factors": factors})
    return _gathered(layer, _gathered(layer, x, 1, rows, final=False), 2, columns, final=True)


def nearest(size: int, wanted: int, align: bool, half_pixel: bool) -> Array:
    """The source of every position along an axis, in TFLite's float32 steps."""
    f = np.float32
    scale = f(size - 1) / f(wanted - 1) if align and wanted > 1 else f(size) / f(wanted)
    places = (np.arange(wanted).astype(f) + f(0.5 if half_pixel else 0)) * scale
    chosen = np.floor(places + f(0.5)) if align else np.floor(places)
    return np.asarray(np.clip(chosen.astype(np.int64), 0, size - 1))


def depth_to_space(layer: Layer) -> Value:
    """DEPTH_TO_SPACE of NHWC: channels to blocks of pixels."""
    x, block = layer.value(0), layer.options.BlockSize()
    n, h, w, c = _image(layer, x)
    if block < 1 or c % (block * block):
        raise layer.bad(f"{c} channels are no multiple of {block} x {block}")
    depth = c // (block * block)
    split_shape = (n, h, w, block, block, depth)
    moved = _moved(layer, x, split_shape, (0, 1, 3, 2, 4, 5))
    return layer.result("reshape", [moved], {"shape": (n, h * block, w * block, depth)})


def space_to_depth(layer: Layer) -> Value:
    """SPACE_TO_DEPTH of NHWC: blocks of pixels to channels."""
    x, block = layer.value(0), layer.options.BlockSize()
    n, h, w, c = _image(layer, x)
    if block < 1 or h % block or w % block:
        raise layer.bad(f"an image of {h} x {w} has no blocks of {block}")
    moved = _moved(layer, x, (n, h // block, block, w // block, block, c), (0, 1, 3, 2, 4, 5))
    return layer.result("reshape", [moved], {"shape": (n, h // block, w // block, block * block * c)})


def _moved(layer: Layer, x: Value, shape: Sequence[int], perm: Sequence[int]) -> Value:
    blocks = layer.reshaped(x, shape, "blocks")
    return layer.emit("transpose", [blocks], {"perm": tuple(perm)}, "permuted", x.quant)


def _image(layer: Layer, x: Value) -> tuple[int, int, int, int]:
    if len(x.shape) != 4:
        raise layer.bad(f"the input has {len(x.shape)} axes, needs 4")
    n, h, w, c = x.shape
    return n, h, w, c


def space_to_batch(layer: Layer) -> Value:
    """SPACE_TO_BATCH_ND: padding, then blocks of the spatial axes to the batch."""
    x, blocks, pads = layer.value(0), layer.ints(1), layer.constant(2)
    m = len(blocks)
    if pads.shape != (m, 2) or len(x.shape) <= m or min(blocks) < 1 or pads.min() < 0 or pads.max() > 1 << 20:
        raise layer.bad(f"blocks {list(blocks)} and paddings {list(pads.shape)} do not fit {list(x.shape)}")
    rest = (0,) * (len(x.shape) - m - 1)
    before = (0, *(int(p) for p in pads[:, 0]), *rest)
    after = (0, *(int(p) for p in pads[:, 1]), *rest)
    padded = layer.emit("pad", [x], {"before": before, "after": after, "value": 0}, "padded", x.quant)
    n, spatial, tail = padded.shape[0], padded.shape[1 : m + 1], padded.shape[m + 1 :]
    if any(s % b for s, b in zip(spatial, blocks, strict=True)):
        raise layer.bad(f"blocks {list(blocks)} do not divide {list(spatial)}")
    parts = [d for s, b in zip(spatial, blocks, strict=True) for d in (s // b, b)]
    perm = (*range(2, 2 * m + 1, 2), 0, *range(1, 2 * m, 2), *range(2 * m + 1, 2 * m + 1 + len(tail)))
    moved = _moved(layer, padded, (n, *parts, *tail), perm)
    shape = (n * math.prod(blocks), *(s // b for s, b in zip(spatial, blocks, strict=True)), *tail)
    return layer.result("reshape", [moved], {"shape": shape})


def batch_to_space(layer: Layer) -> Value:
    """BATCH_TO_SPACE_ND: blocks of the batch to the spatial axes, then a crop."""
    x, blocks, crops = layer.value(0), layer.ints(1), layer.constant(2)
    m, total = len(blocks), math.prod(blocks)
    if crops.shape != (m, 2) or len(x.shape) <= m or min(blocks) < 1 or x.shape[0] % total or crops.min() < 0:
        raise layer.bad(f"blocks {list(blocks)} and crops {list(crops.shape)} do not fit {list(x.shape)}")
    spatial, tail, n = x.shape[1 : m + 1], x.shape[m + 1 :], x.shape[0] // total
    perm = (m, *(p for i in range(m) for p in (m + 1 + i, i)), *range(2 * m + 1, 2 * m + 1 + len(tail)))
    moved = _moved(layer, x, (*blocks, n, *spatial, *tail), perm)
    grown = tuple(s * b for s, b in zip(spatial, blocks, strict=True))
    joined = layer.reshaped(moved, (n, *grown, *tail), "joined")
    starts = (0, *(int(c) for c in crops[:, 0]), *(0,) * len(tail))
    sizes = (n, *(g - int(a) - int(b) for g, (a, b) in zip(grown, crops.tolist(), strict=True)), *tail)
    return layer.result("slice", [joined], {"starts": starts, "steps": (1,) * len(sizes), "sizes": sizes})
