"""A network whose activations do not fit on the chip: `python -m benchmarks.large_activations [--side 512]`.

Builds it for a board with memory outside, where it is emulated and compared with the reference bit for bit, and prints
what was moved. The first layers' activations live off the chip; around the middle of the hourglass a skip connection is
moved out and fetched again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.pipeline import BuildOptions, build
from edgekit.progress import Progress


class _Network:
    """Nodes and weights under construction; a value has the name of what makes it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def add(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        spread = np.sqrt(2 / np.prod(shape[1:]))
        values = self._random.normal(0, spread, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, name: str, inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> str:
        """A convolution with ReLU; stride 2 halves the size."""
        weight = self.weight(f"{name}.w", outputs, inputs, kernel, kernel)
        edge = kernel // 2
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [edge - stride + 1] * 2 + [edge] * 2}
        linear = self.add("Conv", [x, weight], f"{name}.linear", **shape)
        return self.add("Relu", [linear], name)

    def double(self, x: str, name: str) -> str:
        """Every pixel four times."""
        self.weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), f"{name}.scales"))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", [x, "", f"{name}.scales"], name, **how)

    def model(self, name: str, side: int) -> onnx.ModelProto:
        """The model from images `x` of three channels to ten scores `y`."""
        image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])
        scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])
        graph = helper.make_graph(self.nodes, name, [image], [scores], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def pool(self, x: str, name: str) -> str:
        return self.add("MaxPool", [x], name, kernel_shape=[2, 2], strides=[2, 2])


def hourglass(side: int = 512, channels: int = 8, wide: int = 32) -> onnx.ModelProto:
    """Images of `side`, a residual block at half of it, an hourglass with a skip connection from a quarter of it.

    With the defaults, three activations of 512 KB are live at once.
    """
    net = _Network()
    stem = net.conv("x", "stem", 3, channels, stride=2)
    block = net.add("Add", [stem, net.conv(stem, "block", channels, channels, kernel=1)], "sum")
    skip = net.conv(net.pool(block, "quarter"), "skip", channels, channels)
    mixed = net.conv(skip, "mixed", channels, channels, kernel=1)
    middle = net.conv(mixed, "down", channels, wide, stride=2)
    middle = net.add("Add", [middle, net.conv(middle, "middle", wide, wide, kernel=1)], "residual")
    middle = net.conv(middle, "up", wide, channels)
    merged = net.add("Add", [net.double(middle, "large"), skip], "merged")
    head = net.conv(merged, "head", channels, 16, stride=2)
    vector = net.add("Flatten", [net.add("GlobalAveragePool", [head], "mean")], "vector")
    net.add("Gemm", [vector, net.weight("classes", 10, 16)], "y", transB=1)
    return net.model("hourglass", side)


def three_banks(side: int = 160, channels: int = 10) -> onnx.ModelProto:
    """Three activations of 250 KB and one of 62 KB are live at once, none of which can be computed later.

    On a board with several memories (STM32H743) no two of them have room for all.
    """
    net = _Network()
    first = net.conv("x", "first", 3, channels)
    small = net.conv("x", "small", 3, channels, stride=2)
    second = net.conv(first, "second", channels, channels, kernel=1)
    third = net.conv(second, "third", channels, channels)
    total = net.add("Add", [net.add("Add", [third, first], "partial"), second], "total")
    last = net.add("Add", [net.pool(total, "pooled"), small], "last")
    vector = net.add("Flatten", [net.add("GlobalAveragePool", [last], "mean")], "vector")
    net.add("Gemm", [vector, net.weight("classes", 10, channels)], "y", transB=1)
    return net.model("three_banks", side)


def long_skip(side: int = 22, channels: int = 16) -> onnx.ModelProto:
    """A cheap first layer whose result waits for an addition while two others of its size are made.

    With the defaults, three activations of 7.7 KB are live at once, of which one could be made again of an image of
    1.5 KB.
    """
    net = _Network()
    stem = net.conv("x", "stem", 3, channels, kernel=1)
    deep = net.conv(net.conv(stem, "first", channels, channels), "second", channels, channels)
    total = net.add("Add", [deep, stem], "total")
    vector = net.add("Flatten", [net.add("GlobalAveragePool", [total], "mean")], "vector")
    net.add("Gemm", [vector, net.weight("classes", 10, channels)], "y", transB=1)
    return net.model("long_skip", side)


def large_classifier(side: int = 64, hidden: int = 86) -> onnx.ModelProto:
    """Convolutions whose weights are read for every pixel, and a product with a megabyte of weights, each read once."""
    net = _Network()
    pixels = net.conv(net.conv("x", "first", 3, 12), "second", 12, 12)
    vector = net.add("Flatten", [net.pool(pixels, "pooled")], "vector")
    inputs = 12 * (side // 2) ** 2
    middle = net.add("Gemm", [vector, net.weight("wide", hidden, inputs)], "middle", transB=1)
    net.add("Gemm", [net.add("Relu", [middle], "rectified"), net.weight("classes", 10, hidden)], "y", transB=1)
    return net.model("large_classifier", side)


def measure(
    folder: Path, model: onnx.ModelProto, board: str, objective: str = "time", disabled: Sequence[str] = ("streaming",)
) -> dict[str, Any]:
    """Build a model of whole tensors on two random images in a folder and return its report."""
    onnx.save(model, folder / "model.onnx")
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    images = np.random.default_rng(1).uniform(0, 1, [2, *shape[1:]]).astype(np.float32)
    np.savez(folder / "x.npz", x=images)
    options = BuildOptions(
        board,
        folder / "firmware",
        folder / "model.onnx",
        folder / "x.npz",
        objective=objective,
        samples=1,
        feed="whole",
        disabled=tuple(disabled),
    )
    return build(options, Progress(quiet=True))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--board", default="stm32f746")
    arguments = parser.parse_args()
    for objective in ("time", "bytes"):
        with tempfile.TemporaryDirectory() as scratch:
            report = measure(Path(scratch), hourglass(arguments.side), arguments.board, objective)
            plan = json.loads((Path(scratch) / "firmware" / "plan.json").read_text())
        ram, moves, exact = report["ram"], report["moves"], report["validation"]["bit_exact"]
        print(f"{arguments.board}, images of {arguments.side}, --off-chip {objective}, bit-exact: {exact}")
        print(f"  {report['instructions']['total']} instructions, {report['latency_ms']['model']:.1f} ms (model)")
        print(f"  arenas of {ram['arena']} B on the chip and {ram['external']} B outside")
        print(f"  {moves['count']} moves of {moves['bytes']} B")
        for move in plan["moves"]:
            print(f"    step {move['step']}: {move['kind']} {move['buffer']}, {move['bytes']} B")


if __name__ == "__main__":
    main()
