"""Elementwise operators, reductions and matrix products on plain numbers; which kernel follows from name and type."""

from __future__ import annotations

import math

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.walk import broadcast_strides, merged, padded, strides_of
from edgekit.codegen.program import Fields, Literal
from edgekit.ir import DType, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.matmul import matrix_shapes
from edgekit.ops.unary import Unary


def binary_fields(node: Node, order: tuple[int, int] = (0, 1)) -> Fields:
    """The ek_binary_params struct of a node with two operands, which are the inputs `order`."""
    a, b, y = node.input(order[0]), node.input(order[1]), node.output
    shape, (first, second) = merged(
        node, y.shape, broadcast_strides(a.shape, y.shape), broadcast_strides(b.shape, y.shape)
    )
    return {"rank": len(shape), "shape": padded(shape, 1), "a": padded(first), "b": padded(second)}


def lower_plain_unary(node: Node, ctx: LoweringContext) -> None:
    """ek_<op>_<type>; the input may be overwritten."""
    spec, x, y = spec_of(node.op), node.input(0), node.output
    arguments = spec.arguments(node).values() if isinstance(spec, Unary) else ()
    kernel = f"ek_{node.op}_{x.dtype.suffix}"
    ctx.call(kernel, Literal(x.elements), *(Literal(v) for v in arguments), ctx.operand(x), ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_plain_binary(node: Node, ctx: LoweringContext) -> None:
    """ek_<op>_<type>, then a clamp for a fused activation; operands of the result's size may be overwritten."""
    a, b, y = node.input(0), node.input(1), node.output
    params = ctx.struct("ek_binary_params", binary_fields(node))
    ctx.call(f"ek_{node.op}_{a.dtype.suffix}", params, ctx.operand(a), ctx.operand(b), ctx.write(y))
    for operand in (a, b):
        if operand.shape == y.shape and operand.dtype.size == y.dtype.size:
            ctx.allow_in_place(operand, y)
    activation = node.attrs.get("activation", "none")
    if activation != "none":
        low, high = fp.ACTIVATIONS[activation]
        ctx.call("ek_clip_f32", Literal(y.elements), Literal(low), Literal(high), ctx.read(y), ctx.write(y))


def lower_where(node: Node, ctx: LoweringContext) -> None:
    """ek_where_<bits>."""
    c, a, b, y = node.input(0), node.input(1), node.input(2), node.output
    shape, strides = merged(node, y.shape, *(broadcast_strides(v.shape, y.shape) for v in (c, a, b)))
    steps = {key: padded(own) for key, own in zip("abc", strides, strict=True)}
    fields: Fields = {"rank": len(shape), "shape": padded(shape, 1), **steps}
    bits, params = 8 * y.dtype.size, ctx.struct("ek_ternary_params", fields)
    kind = f"uint{bits}_t"
    ctx.call(
        f"ek_where_{bits}", params, ctx.operand(c), ctx.operand_as(a, kind), ctx.operand_as(b, kind), ctx.write(y, kind)
    )


def lower_cast(node: Node, ctx: LoweringContext) -> None:
    """ek_cast_<from>_<to>."""
    x, y = node.input(0), node.output
    target = "b8" if y.dtype is DType.BOOL else y.dtype.suffix
    if x.dtype.suffix == target or (x.dtype is DType.BOOL and y.dtype is DType.BOOL):
        _copy(x, y, ctx)
        return
    ctx.call(f"ek_cast_{x.dtype.suffix}_{target}", Literal(x.elements), ctx.operand(x), ctx.write(y))


def _copy(x: Value, y: Value, ctx: LoweringContext) -> None:
    fields: Fields = {"rank": 1, "shape": padded([x.nbytes], 1), "from": padded([1]), "to": padded([1])}
    ctx.call("ek_copy_8", ctx.struct("ek_copy_params", fields), ctx.operand_as(x, "uint8_t"), ctx.write(y, "uint8_t"))


def reduce_fields(node: Node) -> Fields:
    """The ek_reduce_params struct of a node with attr axes."""
    x, axes = node.input(0), node.attrs["axes"]
    strides = strides_of(x.shape)
    stay = [a for a in range(len(x.shape)) if a not in axes]
    fields: dict[str, int | list[int]] = {}
    for side, chosen in (("outer", stay), ("inner", list(axes))):
        shape, (steps,) = merged(node, [x.shape[a] for a in chosen], [strides[a] for a in chosen])
        fields |= {f"{side}_rank": len(shape), f"{side}_shape": padded(shape, 1), f"{side}_stride": padded(steps)}
    return fields


def lower_reduce(node: Node, ctx: LoweringContext) -> None:
    """ek_reduce_<what>_<type>; codes are compared as plain integers."""
    x, what = node.input(0), "reduce_mean" if node.op == "mean" else node.op
    params = ctx.struct("ek_reduce_params", reduce_fields(node))
    ctx.call(f"ek_{what}_{x.dtype.suffix}", params, ctx.operand(x), ctx.write(node.output))


def matmul_fields(node: Node) -> Fields:
    """The ek_matmul_params struct of a node with attrs transpose_a, transpose_b."""
    a, b, y = node.input(0), node.input(1), node.output
    (m, k), n = matrix_shapes(node)[0][-2:], y.shape[-1]
    batch = list(y.shape[:-2])

    def steps(value: Value) -> list[int]:
        size = math.prod(value.shape[-2:])
        return [s * size for s in broadcast_strides(value.shape[:-2], batch)]

    shape, (first, second) = merged(node, batch, steps(a), steps(b))
    return {
        "batch": {"rank": len(shape), "shape": padded(shape, 1), "a": padded(first), "b": padded(second)},
        "m": m, "k": k, "n": n,
        "a_row": 1 if node.attrs["transpose_a"] else k, "a_column": m if node.attrs["transpose_a"] else 1,
        "b_row": 1 if node.attrs["transpose_b"] else n, "b_column": k if node.attrs["transpose_b"] else 1,
    }  # fmt: skip


def lower_matmul(node: Node, ctx: LoweringContext) -> None:
    """ek_matmul_<type>."""
    a, b, y = node.input(0), node.input(1), node.output
    params = ctx.struct("ek_matmul_params", matmul_fields(node))
    ctx.call(f"ek_matmul_{a.dtype.suffix}", params, ctx.operand(a), ctx.operand(b), ctx.write(y))
