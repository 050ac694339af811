"""Changes to a TFLite file through the schema's object form, so that a fuzzer gets past the flatbuffer's offsets."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

INTEGERS = (0, 1, 2, 3, -1, -2, 4, 8, 127, 128, 255, 65536, 1 << 26, (1 << 31) - 1, -(1 << 31))
TYPES = (0, 2, 3, 4, 6, 7, 9, 10, 1, 15)
ACTIVATIONS = (0, 1, 2, 3, 4, 5)


def mutate(data: bytes, seed: int, other: bytes = b"") -> bytes | None:
    """The file with a few changes, or None where it does not unpack; `other` is not used."""
    rng = random.Random(seed)
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        for _ in range(rng.choice((1, 1, 2, 3))):
            rng.choice(CHANGES)(model, rng)
        return packed(model)
    except Exception:
        # The generated code raises anything at all on damaged files, and on values that a field cannot hold.
        return None


def packed(model: Any) -> bytes:
    """The file of a model in object form."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _graph(model: Any) -> Any:
    return model.subgraphs[0]


def _operator_code(model: Any, rng: random.Random) -> None:
    code = rng.choice(model.operatorCodes)
    code.builtinCode = rng.randrange(0, 160)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)


def _wire(model: Any, rng: random.Random) -> None:
    op = rng.choice(_graph(model).operators)
    values = [int(v) for v in (op.inputs if rng.random() < 0.7 else op.outputs)]
    index = rng.randrange(-1, len(_graph(model).tensors) + 1)
    kind = rng.randrange(3)
    if kind == 0 and values:
        values[rng.randrange(len(values))] = index
    elif kind == 1:
        values.append(index)
    elif values:
        values.pop()
    op.inputs = values


def _shape(model: Any, rng: random.Random) -> None:
    tensor = rng.choice(_graph(model).tensors)
    shape = [int(d) for d in (tensor.shape if tensor.shape is not None else ())]
    kind = rng.randrange(4)
    if kind == 0 and shape:
        shape[rng.randrange(len(shape))] = rng.choice(INTEGERS)
    elif kind == 1:
        shape.append(rng.choice((1, 2, 0)))
    elif kind == 2 and shape:
        shape.pop()
    elif len(shape) > 1:
        shape[0], shape[-1] = shape[-1], shape[0]
    tensor.shape = shape


def _type(model: Any, rng: random.Random) -> None:
    rng.choice(_graph(model).tensors).type = rng.choice(TYPES)


def _quantization(model: Any, rng: random.Random) -> None:
    tensor = rng.choice(_graph(model).tensors)
    if tensor.quantization is None or rng.random() < 0.3:
        tensor.quantization = schema.QuantizationParametersT()
    quant = tensor.quantization
    count = rng.choice((0, 1, 1, 1, 2, 4))
    quant.scale = [rng.choice((0.1, 0.02, 1.0, 1e-38, 3e38, 0.0, -1.0, 1 / 256)) for _ in range(count)]
    quant.zeroPoint = [rng.choice((0, 3, -128, 127, 128, 1 << 40)) for _ in range(count)]
    quant.quantizedDimension = rng.choice((0, 0, 1, 3, 7))


def _buffer(model: Any, rng: random.Random) -> None:
    buffer = rng.choice(model.buffers)
    if buffer.data is None or not len(buffer.data):
        buffer.data = [rng.choice((0, 1, 255)) for _ in range(rng.choice((1, 4, 8, 16)))]
        return
    data = np.array(buffer.data, np.uint8)
    if rng.random() < 0.3:
        data = data[: rng.randrange(len(data))]
    elif rng.random() < 0.3:
        data = np.full_like(data, rng.choice((0, 128, 255)))
    else:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 127, 128, 255))
    buffer.data = data


def _option(model: Any, rng: random.Random) -> None:
    op = rng.choice(_graph(model).operators)
    if op.builtinOptions is None or rng.random() < 0.1:
        kind = rng.randrange(1, 120)
        names = {code: name for name, code in vars(schema.BuiltinOptions).items() if not name.startswith("_")}
        op.builtinOptionsType, op.builtinOptions = kind, getattr(schema, f"{names[kind]}T")()
        return
    fields = sorted(k for k, v in vars(op.builtinOptions).items() if isinstance(v, (int, float)))
    if not fields:
        return
    field = rng.choice(fields)
    old = getattr(op.builtinOptions, field)
    if isinstance(old, bool):
        value: Any = not old
    elif isinstance(old, float):
        value = rng.choice((0.0, 1.0, -1.0, 1e38, float("nan")))
    else:
        value = rng.choice(ACTIVATIONS) if "ctivation" in field else rng.choice(INTEGERS)
    setattr(op.builtinOptions, field, value)


def _subgraph(model: Any, rng: random.Random) -> None:
    graph = _graph(model)
    tensors = range(-1, len(graph.tensors) + 1)
    if rng.random() < 0.5:
        graph.inputs = [rng.choice(tensors) for _ in range(rng.randrange(3))]
    else:
        graph.outputs = [rng.choice(tensors) for _ in range(rng.randrange(1, 3))]


def _repeat(model: Any, rng: random.Random) -> None:
    """The same operator once more, on its own result where shapes allow."""
    operators = _graph(model).operators
    op = rng.choice(operators)
    tensors = _graph(model).tensors
    if len(tensors) > 60 or op.outputs is None or not len(op.outputs):
        return
    copy, tensor = schema.OperatorT(), schema.TensorT()
    vars(copy).update(vars(op))
    vars(tensor).update(vars(tensors[int(op.outputs[0])]))
    tensors.append(tensor)
    copy.inputs = [int(op.outputs[0]), *[int(v) for v in op.inputs][1:]]
    copy.outputs = [len(tensors) - 1]
    operators.append(copy)
    _graph(model).outputs = [len(tensors) - 1]


CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _operator_code, _wire, _shape, _shape, _type, _quantization, _quantization, _buffer, _buffer, _option, _option,
    _option, _subgraph, _repeat,
)  # fmt: skip
