"""reshape, transpose, slice, expand, tile, pad: the same elements in another shape, order or number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.pool import same_quantization
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_numbers, single_node_graph

MAX_AXES = 8


class _Movement(OpSpec):
    """One input; any element type, codes keep their quantization."""

    shares_quantization = True
    encodes = decodes = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, few_axes)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def _case(self, name: str, shape: Shape, attrs: dict[str, object], dtype: DType = DType.INT8) -> Case:
        rng = np.random.default_rng(len(shape))
        quant = QuantType.per_tensor(0.1, 3) if dtype is DType.INT8 else None
        y = Value("y", (), dtype, quant)
        graph = single_node_graph(self.name, [Value("x", shape, dtype, quant)], [y], attrs)
        y.shape = self.infer(graph.nodes[0])[0]
        return Case(name, graph, ((random_numbers(rng, shape, dtype),),))


def few_axes(node: Node) -> bool:
    """tensors may have at most 8 axes."""
    return max(len(v.shape) for v in (node.input(0), node.output)) <= MAX_AXES


class Reshape(_Movement):
    """Input x; attr shape."""

    name = "reshape"
    summary = "new shape over the same elements; free where the buffer can be shared"
    onnx = (
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Dropout",
        "OptionalGetElement",
        "OptionalHasElement",
    )
    tflite = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")

    def infer(self, node: Node) -> list[Shape]:
        shape = tuple(int(d) for d in node.attrs["shape"])
        if any(d < 0 for d in shape) or int(np.prod(shape, dtype=object)) != node.input(0).elements:
            raise bad_shape(node, f"cannot reshape to {list(shape)}")
        return [shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [inputs[0].reshape(node.output.shape)]

    def cases(self) -> Iterable[Case]:
        yield self._case("c0", (1, 3, 4, 5), {"shape": (1, 60)})


class Transpose(_Movement):
    """Input x; attr perm."""

    name = "transpose"
    summary = "permutation of axes"
    onnx = ("Transpose", "DepthToSpace", "SpaceToDepth")
    tflite = ("TRANSPOSE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")

    def infer(self, node: Node) -> list[Shape]:
        shape, perm = node.input(0).shape, tuple(node.attrs["perm"])
        if sorted(perm) != list(range(len(shape))):
            raise bad_shape(node, f"{list(perm)} is no permutation of the axes")
        return [tuple(shape[p] for p in perm)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.asarray(inputs[0].transpose(node.attrs["perm"]), order="C")]

    def cases(self) -> Iterable[Case]:
        yield self._case("nhwc", (1, 3, 4, 5), {"perm": (0, 2, 3, 1)})
        yield self._case("nchw", (1, 4, 5, 3), {"perm": (0, 3, 1, 2)})
        yield self._case("reverse", (2, 3, 4, 5), {"perm": (3, 2, 1, 0)})
        yield self._case("matrix", (6, 7), {"perm": (1, 0)})
        yield self._case("six_axes", (2, 3, 2, 2, 3, 2), {"perm": (5, 1, 3, 0, 2, 4)})
        for dtype in (DType.FLOAT32, DType.INT16, DType.INT64, DType.BOOL):
            yield self._case(dtype.value, (2, 3, 4), {"perm": (2, 0, 1)}, dtype)


class Slice(_Movement):
    """Input x; attrs starts, steps (not 0), sizes, one each per axis: element i is x[start + i * step]."""

    name = "slice"
    summary = "part of a tensor, with any steps"
    onnx = ("Slice", "Split", "CenterCropPad")
    tflite = ("SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK", "REVERSE_V2")

    def infer(self, node: Node) -> list[Shape]:
        shape = node.input(0).shape
        starts, steps, sizes = (tuple(node.attrs[k]) for k in ("starts", "steps", "sizes"))
        if not len(shape) == len(starts) == len(steps) == len(sizes) or 0 in steps:
            raise bad_shape(node, "needs one start, step and size per axis, and steps that move")
        for extent, start, step, size in zip(shape, starts, steps, sizes, strict=True):
            last = start + (size - 1) * step
            if size < 0 or (size and not (0 <= start < extent and 0 <= last < extent)):
                raise bad_shape(node, f"start {start}, step {step}, size {size} leave an axis of {extent}")
        return [sizes]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        y = inputs[0]
        assert y is not None
        for axis, (start, step, size) in enumerate(
            zip(node.attrs["starts"], node.attrs["steps"], node.attrs["sizes"], strict=True)
        ):
            y = np.take(y, start + step * np.arange(size), axis=axis)
        return [np.asarray(y, order="C")]

    def cases(self) -> Iterable[Case]:
        for dtype in (DType.INT8, DType.FLOAT32, DType.INT64):
            attrs: dict[str, object] = {"starts": (1, 0, 4), "steps": (1, 2, -2), "sizes": (2, 2, 3)}
            yield self._case(dtype.suffix, (3, 4, 5), attrs, dtype)


class Expand(_Movement):
    """Input x; attr shape, to which x broadcasts."""

    name = "expand"
    summary = "broadcast to a larger shape"
    onnx = ("Expand", "EyeLike", "MelWeightMatrix")
    tflite = ("BROADCAST_TO", "FILL")

    def infer(self, node: Node) -> list[Shape]:
        shape = tuple(int(d) for d in node.attrs["shape"])
        try:
            if tuple(np.broadcast_shapes(node.input(0).shape, shape)) != shape:
                raise ValueError
        except ValueError:
            raise bad_shape(node, f"does not broadcast to {list(shape)}") from None
        return [shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.broadcast_to(inputs[0], node.output.shape).copy()]

    def cases(self) -> Iterable[Case]:
        yield self._case("codes", (3, 1, 4), {"shape": (2, 3, 5, 4)})
        yield self._case("f32", (3, 1), {"shape": (3, 4)}, DType.FLOAT32)


class Tile(_Movement):
    """Input x; attr repeats, one per axis."""

    name = "tile"
    summary = "repetition along every axis"
    onnx = ("Tile",)
    tflite = ("TILE",)

    def infer(self, node: Node) -> list[Shape]:
        shape, repeats = node.input(0).shape, tuple(node.attrs["repeats"])
        if len(shape) != len(repeats) or min(repeats, default=0) < 0:
            raise bad_shape(node, f"repeats {list(repeats)} do not fit")
        return [tuple(d * r for d, r in zip(shape, repeats, strict=True))]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.tile(inputs[0], node.attrs["repeats"])]

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*super().constraints, few_repeats)

    def cases(self) -> Iterable[Case]:
        yield self._case("codes", (2, 3, 4), {"repeats": (2, 1, 3)})
        yield self._case("f32", (3, 2), {"repeats": (1, 4)}, DType.FLOAT32)


def few_repeats(node: Node) -> bool:
    """axes and repeated axes together may be at most 8."""
    axes = sum(d > 1 for d in node.input(0).shape) + sum(int(r) > 1 for r in node.attrs["repeats"])
    return axes <= MAX_AXES


class Pad(_Movement):
    """Input x; attrs before, after (elements per axis, at least 0), value: a number, of which codes hold the code."""

    name = "pad"
    summary = "padding with a constant"
    onnx = ("Pad",)
    tflite = ("PAD", "PADV2", "SPACE_TO_BATCH_ND")

    def infer(self, node: Node) -> list[Shape]:
        shape, before, after = node.input(0).shape, node.attrs["before"], node.attrs["after"]
        if not len(shape) == len(before) == len(after) or min((*before, *after), default=0) < 0:
            raise bad_shape(node, "needs padding of at least 0 per axis")
        return [tuple(d + b + a for d, b, a in zip(shape, before, after, strict=True))]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        widths = list(zip(node.attrs["before"], node.attrs["after"], strict=True))
        if not widths:
            return [inputs[0].copy()]
        return [np.pad(inputs[0], widths, constant_values=self.fill(node))]

    def fill(self, node: Node) -> Array:
        """The fill value in the output's type, a scalar array."""
        value, y = node.attrs["value"], node.output
        if y.quant is None:
            return np.array(value).astype(y.dtype.numpy)
        return np.asarray(y.quant.quantize(np.array(value, np.float32), y.dtype))

    def cases(self) -> Iterable[Case]:
        for dtype, fill in ((DType.INT8, 3), (DType.FLOAT32, -1.5), (DType.INT64, 7), (DType.INT16, -9)):
            yield self._case(dtype.suffix, (2, 3, 4), {"before": (0, 1, 2), "after": (1, 0, 3), "value": fill}, dtype)
        attrs: dict[str, object] = {"before": (1, 0), "after": (0, 2), "value": -np.inf}
        yield self._case("infinite", (2, 3), attrs, DType.FLOAT32)


class Gather(OpSpec):
    """Inputs x, indices (int32 or int64 of any shape); attr axis. Negative indices count from the end."""

    name = "gather"
    summary = "rows of a tensor by constant or computed indices"
    onnx = ("Gather", "Pad", "Compress")
    tflite = ("GATHER", "EMBEDDING_LOOKUP", "MIRROR_PAD", "RESIZE_NEAREST_NEIGHBOR")
    shares_quantization = True
    rewrite = "cast the indices to int32 or int64"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, whole_indices)

    def tied(self, node: Node) -> list[Value]:
        return [node.input(0), node.output]

    def infer(self, node: Node) -> list[Shape]:
        shape, axis = node.input(0).shape, node.attrs["axis"]
        if not 0 <= axis < len(shape):
            raise bad_shape(node, f"axis {axis} is outside the input")
        return [(*shape[:axis], *node.input(1).shape, *shape[axis + 1 :])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, indices = inputs
        assert x is not None and indices is not None
        axis = node.attrs["axis"]
        size = x.shape[axis]
        # As the kernel: an index outside the axis is moved to its nearest end.
        rows = np.clip(np.where(indices < 0, indices + size, indices), 0, size - 1)
        return [np.take(x, rows, axis=axis)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        quant = QuantType.per_tensor(0.1, 3)
        for dtype, kind, codes in (
            (DType.INT8, DType.INT32, quant), (DType.FLOAT32, DType.INT64, None), (DType.INT64, DType.INT32, None)
        ):  # fmt: skip
            rng = np.random.default_rng(1700)
            for axis, shape in enumerate([(5, 3), (2, 5, 3)]):
                indices = rng.integers(-5, 5, (2, 3)).astype(kind.numpy)
                x, i, y = Value("x", shape, dtype, codes), Value("i", (2, 3), kind), Value("y", (), dtype, codes)
                graph = single_node_graph(self.name, [x, i], [y], {"axis": axis})
                y.shape = self.infer(graph.nodes[0])[0]
                yield Case(f"{dtype.suffix}_{axis}", graph, ((random_numbers(rng, shape, dtype), indices),))


def whole_indices(node: Node) -> bool:
    """indices must be int32 or int64."""
    return node.input(1).dtype in (DType.INT32, DType.INT64)
