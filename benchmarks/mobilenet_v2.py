"""MobileNetV2 with random weights in on-chip RAM: `python -m benchmarks.mobilenet_v2`, or `--write FILE` for its ONNX.

Builds the network (arXiv 1801.04381, batch normalization folded) with streams and without, on chip alone; exit code 1
where a build with streams fails.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
# Expansion, channels, blocks, stride of the first one.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM, HEAD = 32, 1280


def mobilenet_v2(
    image: int = 224, width: float = 1.0, classes: int = 1000, stages: int = 7, seed: int = 0
) -> onnx.ModelProto:
    """Input "image" float32 [1, 3, image, image] in 0..1, output "logits" float32 [1, classes].

    Args:
        width: what all numbers of channels are multiplied by; stages: how many of STAGES there are.
    """
    writer = _Writer(np.random.default_rng(seed))
    channels = _channels(STEM * width)
    x = writer.convolution("image", 3, channels, 3, 2)
    for expansion, base, blocks, stride in STAGES[:stages]:
        for block in range(blocks):
            outputs = _channels(base * width)
            x = writer.block(x, channels, outputs, expansion, stride if block == 0 else 1)
            channels = outputs
    last = max(HEAD, _channels(HEAD * width)) if stages == len(STAGES) else 4 * channels
    x = writer.convolution(x, channels, last, 1, 1)
    x = writer.add("Flatten", [writer.add("GlobalAveragePool", [x])], axis=1)
    weights = writer.constant(writer.rng.normal(0, last**-0.5, (classes, last)))
    writer.add("Gemm", [x, weights, writer.constant(writer.rng.normal(0, 0.1, classes))], output="logits", transB=1)
    graph = helper.make_graph(
        writer.nodes,
        "mobilenet_v2",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, image, image])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes])],
        writer.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _channels(count: float) -> int:
    """A multiple of eight that is not more than a tenth below."""
    rounded = max(8, int(count + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * count else rounded


class _Writer:
    """Nodes and weights of a graph under construction."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._names = (f"v{number}" for number in itertools.count())

    def constant(self, data: Any) -> str:
        """A float32 constant."""
        name = next(self._names)
        self.initializers.append(numpy_helper.from_array(np.asarray(data, np.float32), name))
        return name

    def add(self, op: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """A node; returns its output."""
        output = output or next(self._names)
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}_{len(self.nodes)}", **attributes))
        return output

    def convolution(
        self, x: str, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1, relu: bool = True
    ) -> str:
        """A convolution with bias, of which ReLU6 makes a layer of the network."""
        taps = inputs // groups * kernel**2
        weights = self.constant(self.rng.normal(0, (2 / taps) ** 0.5, (outputs, inputs // groups, kernel, kernel)))
        bias = self.constant(self.rng.normal(0, 0.1, outputs))
        pads, strides = [kernel // 2] * 4, [stride] * 2
        y = self.add("Conv", [x, weights, bias], kernel_shape=[kernel] * 2, pads=pads, strides=strides, group=groups)
        return self.add("Clip", [y, self.constant(0.0), self.constant(6.0)]) if relu else y

    def block(self, x: str, inputs: int, outputs: int, expansion: int, stride: int) -> str:
        """An inverted residual block."""
        wide = inputs * expansion
        y = self.convolution(x, inputs, wide, 1, 1) if expansion > 1 else x
        y = self.convolution(y, wide, wide, 3, stride, groups=wide)
        y = self.convolution(y, wide, outputs, 1, 1, relu=False)
        return self.add("Add", [x, y]) if stride == 1 and inputs == outputs else y


def build(model: Path, board: str, *arguments: str) -> dict[str, Any]:
    """Build with `edgekit build --json`, two random samples; raises RuntimeError with its message where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        shape = [d.dim_value for d in onnx.load(model).graph.input[0].type.tensor_type.shape.dim]
        samples = np.random.default_rng(1).uniform(0, 1, (2, *shape[1:])).astype(np.float32)
        np.savez(Path(folder) / "x.npz", x=samples)
        command = [sys.executable, "-m", "edgekit", "build", str(model), "--board", board, "--json", *arguments]
        command += ["--data", str(Path(folder) / "x.npz"), "-o", str(Path(folder) / "firmware")]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RuntimeError(built.stderr.strip() or f"exit code {built.returncode}")
    report: dict[str, Any] = json.loads(built.stdout)
    return report


# Title, and arguments of the build.
BUILDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("whole tensors, SDRAM", ("--disable", "streaming")),
    ("streams", ()),
    ("--optimize ram", ("--optimize", "ram")),
    ("image by rows, --optimize ram", ("--feed", "rows", "--optimize", "ram")),
)


def main() -> int:
    """Print a line for each build."""
    parser = argparse.ArgumentParser(description="MobileNetV2 with random weights, with streams and without.")
    parser.add_argument("--board", default="stm32f746")
    parser.add_argument("--image", type=int, default=224)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--write", type=Path, help="write the ONNX file and stop")
    options = parser.parse_args()
    model = mobilenet_v2(options.image, options.width)
    if options.write is not None:
        onnx.save(model, options.write)
        return 0
    failed = 0
    columns = {"RAM": 9, "outside": 9, "flash": 9, "MACs": 12, "again": 9, "instructions": 13, "ms": 8}
    print(f"{'':30}", *(f"{name:>{width}}" for name, width in columns.items()), " bits")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mobilenet_v2.onnx"
        onnx.save(model, path)
        for title, arguments in BUILDS:
            try:
                report = build(path, options.board, *arguments)
            except RuntimeError as error:
                print(f"{title:30} {error}")
                failed |= title != BUILDS[0][0]
                continue
            ram, flash = report["ram"], report["flash"]
            bits = "equal" if report["validation"]["bit_exact"] else "DIFFER"
            print(
                f"{title:30} {ram['total']:9} {ram['external']:9} {flash['total']:9} {report['macs']:12}"
                f" {report['halo_macs']:9} {report['instructions']['total']:13}"
                f" {report['latency_ms']['model']:8.1f}  {bits}",
                flush=True,
            )
    return failed


if __name__ == "__main__":
    sys.exit(main())
