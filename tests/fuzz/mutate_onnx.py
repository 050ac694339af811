"""Changes to an ONNX file that leave it a protobuf, so that a fuzzer gets past the parser."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, defs, helper

INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    4,
    7,
    8,
    64,
    127,
    128,
    255,
    256,
    65536,
    1 << 26,
    1 << 31,
    -(1 << 31),
    1 << 40,
    (1 << 63) - 1,
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-38, 1e38, float("inf"), float("nan"), 255.0)
TYPES = (
    TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL,
    TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.STRING, TensorProto.INT4, TensorProto.UINT4, 99,
)  # fmt: skip
MAX_NODES = 40


@lru_cache(maxsize=1)
def operators() -> tuple[str, ...]:
    """Names of all of ONNX's own operators."""
    return tuple(sorted({s.name for s in defs.get_all_schemas_with_history() if s.domain == ""}))


def mutate(data: bytes, seed: int, other: bytes = b"") -> bytes | None:
    """The file with a few changes, or None where it is no ONNX file; `other` may lend its nodes."""
    rng = random.Random(seed)
    try:
        model = ModelProto.FromString(data)
        if other and rng.random() < 0.7:
            _join(model, other, rng)
        for _ in range(rng.choice((1, 1, 2, 3, 5))):
            rng.choice(CHANGES)(model, rng)
        return bytes(model.SerializeToString())
    except (DecodeError, TypeError, ValueError, KeyError):
        # Besides files that do not parse: names that are not UTF-8, numbers that a field or type cannot hold.
        return None


def _integer(rng: random.Random) -> int:
    return rng.choice(INTEGERS) if rng.random() < 0.6 else rng.randrange(-9, 33)


def _float(rng: random.Random) -> float:
    return rng.choice(FLOATS) if rng.random() < 0.6 else rng.uniform(-4, 4)


def _names(model: ModelProto) -> list[str]:
    graph = model.graph
    names = [i.name for i in graph.input] + [t.name for t in graph.initializer]
    return [n for n in (*names, *(o for node in graph.node for o in node.output)) if n] or ["x"]


def _node(model: ModelProto, rng: random.Random) -> NodeProto:
    return rng.choice(model.graph.node) if model.graph.node else model.graph.node.add()


def _operator(model: ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    node.op_type, node.domain = rng.choice(operators()), ""


def _wire(model: ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    name = rng.choice([*_names(model), "", "ghost"])
    kind = rng.randrange(3)
    if kind == 0 and node.input:
        node.input[rng.randrange(len(node.input))] = name
    elif kind == 1:
        node.input.append(name)
    elif node.input:
        del node.input[-1]


def _outputs(model: ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if rng.random() < 0.5:
        node.output.append(f"o{rng.randrange(99)}")
    elif node.output:
        del node.output[-1]


def _attribute(model: ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if node.attribute and rng.random() < 0.6:
        _change_attribute(rng.choice(node.attribute), rng)
        return
    if not defs.has(node.op_type):
        return
    known = defs.get_schema(node.op_type).attributes
    free = [name for name in known if name not in {a.name for a in node.attribute}]
    if not free:
        del node.attribute[:]
        return
    name = rng.choice(sorted(free))
    kind = int(known[name].type.value)
    values = {
        AttributeProto.INT: lambda: _integer(rng),
        AttributeProto.FLOAT: lambda: _float(rng),
        AttributeProto.INTS: lambda: [_integer(rng) for _ in range(rng.randrange(1, 5))],
        AttributeProto.FLOATS: lambda: [_float(rng) for _ in range(rng.randrange(1, 5))],
        AttributeProto.STRING: lambda: rng.choice(("linear", "SAME_UPPER", "edge", "CRD", "none", "\n'\"")),
    }
    if kind in values:
        node.attribute.append(helper.make_attribute(name, values[kind]()))


def _change_attribute(attribute: AttributeProto, rng: random.Random) -> None:
    if attribute.type == AttributeProto.INT:
        attribute.i = _integer(rng)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = _float(rng)
    elif attribute.type == AttributeProto.INTS:
        _change_list(attribute.ints, rng, _integer)
    elif attribute.type == AttributeProto.FLOATS:
        _change_list(attribute.floats, rng, _float)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice((b"", b"\xff\xfe", b"SAME_LOWER", b"reflect", b"wrap", b"floor", b"cubic", b"add"))
    elif attribute.type == AttributeProto.TENSOR:
        _change_tensor(attribute.t, rng)
    else:
        attribute.type = rng.randrange(0, 15)


def _change_list(values, rng: random.Random, make: Callable[[random.Random], float]) -> None:  # type: ignore[no-untyped-def]
    kind = rng.randrange(3)
    if kind == 0 and len(values):
        values[rng.randrange(len(values))] = make(rng)
    elif kind == 1 and len(values):
        del values[-1]
    else:
        values.append(make(rng))


def _tensor(model: ModelProto, rng: random.Random) -> None:
    if model.graph.initializer:
        _change_tensor(rng.choice(model.graph.initializer), rng)
        return
    name = rng.choice(_names(model))
    model.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [2], [_float(rng), 1.0]))


def _change_tensor(tensor: TensorProto, rng: random.Random) -> None:
    kind = rng.randrange(5)
    if kind == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = _integer(rng)
    elif kind == 1:
        tensor.data_type = rng.choice(TYPES)
    elif kind == 2:
        del tensor.dims[:]
        tensor.dims.extend(rng.choice(((), (1,), (0,), (1, 1), (2, 2), (1,) * 9)))
    elif kind == 3:
        data_type = rng.choice((TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8))
        count, make = rng.randrange(5), _float if data_type == TensorProto.FLOAT else _integer
        bits = {TensorProto.INT8: (-128, 127), TensorProto.UINT8: (0, 255)}.get(data_type, (-(1 << 63), (1 << 63) - 1))
        values = [make(rng) for _ in range(count)]
        if data_type != TensorProto.FLOAT:
            values = [min(max(int(v), bits[0]), bits[1]) for v in values]
        tensor.CopyFrom(helper.make_tensor(tensor.name, data_type, [count] if count != 1 else [], values))
    elif tensor.raw_data:
        raw = bytearray(tensor.raw_data)
        raw[rng.randrange(len(raw))] = rng.choice((0, 1, 127, 128, 255))
        tensor.raw_data = bytes(raw)


def _input(model: ModelProto, rng: random.Random) -> None:
    if not model.graph.input:
        return
    tensor = rng.choice(model.graph.input).type.tensor_type
    kind = rng.randrange(4)
    if kind == 0 and tensor.shape.dim:
        rng.choice(tensor.shape.dim).dim_value = rng.choice((0, 1, 2, 3, 5, 8, -1, 1 << 40))
    elif kind == 1:
        tensor.shape.dim.add().dim_value = rng.choice((1, 2, 3))
    elif kind == 2 and tensor.shape.dim:
        del tensor.shape.dim[-1]
    else:
        tensor.elem_type = rng.choice(TYPES)


def _to_constant(model: ModelProto, rng: random.Random) -> None:
    """A model input becomes a constant of its shape."""
    if len(model.graph.input) < 2:
        return
    index = rng.randrange(len(model.graph.input))
    info = model.graph.input[index]
    tensor = info.type.tensor_type
    shape = [d.dim_value for d in tensor.shape.dim]
    count = 1
    for d in shape:
        count *= max(d, 0)
    if count > 256 or tensor.elem_type not in TYPES[:4]:
        return
    values = [rng.choice((0, 1, 2, 3)) for _ in range(count)]
    model.graph.initializer.append(helper.make_tensor(info.name, tensor.elem_type, shape, values))
    del model.graph.input[index]


def _quantized(model: ModelProto, rng: random.Random) -> None:
    """A QuantizeLinear and a DequantizeLinear behind a tensor."""
    name, tag = rng.choice(_names(model)), f"q{rng.randrange(10000)}"
    scale = helper.make_tensor(f"{tag}s", TensorProto.FLOAT, [], [rng.choice((0.1, 0.05, 1.0, 0.0, 1e-40, -1.0))])
    zero = helper.make_tensor(
        f"{tag}z", rng.choice((TensorProto.INT8, TensorProto.UINT8)), [], [rng.choice((0, 3, 127))]
    )
    model.graph.initializer.extend([scale, zero])
    nodes = [
        helper.make_node("QuantizeLinear", [name, scale.name, zero.name], [f"{tag}c"]),
        helper.make_node("DequantizeLinear", [f"{tag}c", scale.name, zero.name], [f"{tag}r"]),
    ]
    _insert_after(model, name, nodes, f"{tag}r")


def _chain(model: ModelProto, rng: random.Random) -> None:
    """One more operator behind a tensor."""
    name, new = rng.choice(_names(model)), f"n{rng.randrange(100000)}"
    node = helper.make_node(
        rng.choice(operators()), [name, *rng.sample(_names(model), k=1)][: rng.randrange(1, 3)], [new]
    )
    _insert_after(model, name, [node], new)


def _insert_after(model: ModelProto, name: str, added: list[NodeProto], new: str) -> None:
    """Let readers of `name` that come later read `new`."""
    if len(model.graph.node) > MAX_NODES:
        return
    nodes = [NodeProto.FromString(n.SerializeToString()) for n in model.graph.node]
    at = next((i + 1 for i, n in enumerate(nodes) if name in n.output), 0)
    for node in nodes[at:]:
        for index, read in enumerate(node.input):
            if read == name:
                node.input[index] = new
    for output in model.graph.output:
        if output.name == name:
            output.name = new
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:at], *added, *nodes[at:]])


def _order(model: ModelProto, rng: random.Random) -> None:
    if len(model.graph.node) > 1:
        copy = NodeProto.FromString(_node(model, rng).SerializeToString())
        model.graph.node.append(copy)


def _opset(model: ModelProto, rng: random.Random) -> None:
    if model.opset_import:
        model.opset_import[0].version = rng.choice((6, 7, 9, 10, 11, 12, 13, 14, 17, 18, 19, 21, 22, 24, 0, 99))


def _graph_output(model: ModelProto, rng: random.Random) -> None:
    output = rng.choice(model.graph.output) if model.graph.output else model.graph.output.add()
    output.name = rng.choice(_names(model))


def _join(model: ModelProto, other: bytes, rng: random.Random) -> None:
    """Put the other model behind this one: its first input is one of this model's tensors."""
    try:
        second = ModelProto.FromString(other)
    except DecodeError:
        return
    if len(model.graph.node) + len(second.graph.node) > MAX_NODES:
        return
    prefix = f"j{rng.randrange(1000)}_"
    names = {i.name: rng.choice(_names(model)) for i in second.graph.input}
    initializers = {t.name for t in second.graph.initializer}
    for tensor in second.graph.initializer:
        added = model.graph.initializer.add()
        added.CopyFrom(tensor)
        added.name = prefix + tensor.name
    for node in second.graph.node:
        added_node = model.graph.node.add()
        added_node.CopyFrom(node)
        for field in (added_node.input, added_node.output):
            for index, name in enumerate(field):
                if name in names and name not in initializers:
                    field[index] = names[name]
                elif name:
                    field[index] = prefix + name
    if second.graph.output:
        model.graph.output.add().CopyFrom(second.graph.output[0])
        model.graph.output[-1].name = prefix + second.graph.output[0].name


CHANGES: tuple[Callable[[ModelProto, random.Random], None], ...] = (
    _operator, _wire, _wire, _outputs, _attribute, _attribute, _attribute, _tensor, _tensor, _input, _to_constant,
    _quantized, _chain, _chain, _order, _opset, _graph_output,
)  # fmt: skip


def is_onnx(data: bytes) -> bool:
    """Whether bytes parse as a model with operators."""
    try:
        return bool(onnx.ModelProto.FromString(data).graph.node)
    except DecodeError:
        return False
