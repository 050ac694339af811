"""The onnx package's networks and a vision transformer as sizes of int8 tensors, fused as firmware runs them.

Normalization, scale and ReLU that alone follow a convolution are part of it.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import shape_inference

from benchmarks.nas_graphs import NetworkGraph, Operator

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
# Operators that move no bytes: their output is their input.
_VIEWS = ("Reshape", "Flatten", "Dropout", "Identity", "Unsqueeze", "Squeeze")
# Part of the convolution, product or normalization before them, where nothing else reads what that leaves.
_NORMALIZATIONS = ("BatchNormalization", "Mul", "Add")
_FUSED = {"Conv": (*_NORMALIZATIONS, "Relu"), "Gemm": ("Relu",), "BatchNormalization": ("Mul", "Add")}


def onnx_graph(name: str) -> NetworkGraph:
    """A light model of the onnx package (weights left out): one byte per element, one operator per fused group."""
    model = shape_inference.infer_shapes(onnx.load(FOLDER / f"light_{name}.onnx"), data_prop=True)
    graph = model.graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*graph.input, *graph.value_info, *graph.output]
    }
    constants = {i.name for i in graph.initializer}
    result = NetworkGraph(name)
    tensor: dict[str, int] = {}
    heads: dict[int, int] = {}
    readers: dict[str, int] = {}
    for node in graph.node:
        for read in node.input:
            readers[read] = readers.get(read, 0) + 1

    def add(value: str) -> int:
        tensor[value] = len(result.sizes)
        size = 1
        for dim in shapes[value]:
            size *= max(1, dim)
        result.sizes.append(size)
        return tensor[value]

    for value in graph.input:
        if value.name not in constants:
            add(value.name)
    kinds: dict[int, str] = {}
    for node in graph.node:
        reads = [read for read in node.input if read in tensor]
        if not reads:
            constants.update(node.output)
            continue
        first = tensor[reads[0]]
        alone = len(set(reads)) == 1 and readers[reads[0]] == 1
        if node.op_type in _VIEWS:
            tensor[node.output[0]] = first
            readers[node.output[0]] = readers.get(node.output[0], 0) + readers[reads[0]] - 1
        elif alone and first in heads and node.op_type in _FUSED.get(kinds[first], ()):
            tensor[node.output[0]] = first
        else:
            made = add(node.output[0])
            kinds[made], heads[made] = node.op_type, len(result.operators)
            inputs = tuple(dict.fromkeys(tensor[read] for read in reads))
            result.operators.append(Operator(node.name or node.op_type, inputs, (made,)))
    return result


def vision_transformer(layers: int = 12, tokens: int = 197, width: int = 768, heads: int = 12) -> NetworkGraph:
    """ViT-B/16 on 224x224: attention with whole score matrices, GELU as part of the product before it."""
    graph = NetworkGraph("ViT-B/16")

    def add(op: str, reads: list[int], size: int) -> int:
        graph.sizes.append(size)
        graph.operators.append(Operator(f"{op}_{len(graph.operators)}", tuple(reads), (len(graph.sizes) - 1,)))
        return len(graph.sizes) - 1

    graph.sizes.append(3 * 224 * 224)
    x = add("patches", [0], tokens * width)
    for _ in range(layers):
        norm = add("layer_norm", [x], tokens * width)
        query, key, value = (add(part, [norm], tokens * width) for part in ("query", "key", "value"))
        scores = add("scores", [query, key], heads * tokens * tokens)
        weights = add("softmax", [scores], heads * tokens * tokens)
        context = add("context", [weights, value], tokens * width)
        x = add("add", [x, add("projection", [context], tokens * width)], tokens * width)
        norm = add("layer_norm", [x], tokens * width)
        hidden = add("fully_connected", [norm], tokens * 4 * width)
        x = add("add", [x, add("fully_connected", [hidden], tokens * width)], tokens * width)
    x = add("layer_norm", [x], tokens * width)
    add("fully_connected", [add("token", [x], width)], 1000)
    return graph
