"""Instructions of single layers on a board, against CMSIS-NN and TinyEngine: `python -m benchmarks.kernels`.

Every layer is built as a one-node model by the product's own way (lowering, plan, C, linker) and counted in the
emulator, exactly; its outputs are compared with the numpy reference. Exit code 1 where one differs.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgekit.boards import Board, load_board
from edgekit.codegen.emit import emit_model
from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory import validate_plan
from edgekit.codegen.memory.region import plan_regions
from edgekit.codegen.program import Port
from edgekit.emulators import emulated_board, open_machine
from edgekit.ir import Array, DType, Graph, Grid, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import random_codes, single_node_graph
from edgekit.project import write_sources
from edgekit.toolchains import get_toolchain, linker_script

Attributes = dict[str, object]
ROOM = 128 << 10


@dataclass(frozen=True)
class Layer:
    """A layer to count.

    Attributes:
        graph: makes its one-node model.
        units: what the count is divided by: MACs, elements or input elements.
        peer: instructions per unit of the best open library, None where none was measured; goal: ours at most.
    """

    title: str
    graph: Callable[[], Graph]
    units: int
    peer: float | None
    goal: float


@dataclass(frozen=True)
class Count:
    """One layer as measured: instructions, bytes of code and of arena, and whether its bits are the reference's."""

    instructions: int
    code: int
    arena: int
    equal: bool


def _node(op: str, inputs: list[Value], attrs: Attributes, scale: float, zero: int = 3) -> Graph:
    output = Value("y", (), DType.INT8, QuantType.per_tensor(scale, zero))
    graph = single_node_graph(op, inputs, [output], attrs)
    node = graph.nodes[0]
    node.output.shape = spec_of(op).infer(node)[0]
    return graph


def _input(name: str, shape: tuple[int, ...], scale: float = 0.05, zero: int = -5) -> Value:
    return Value(name, shape, DType.INT8, QuantType.per_tensor(scale, zero))


def _weighted(op: str, x: tuple[int, ...], w: tuple[int, ...], axis: int, attrs: Attributes) -> Graph:
    """A layer with per-channel weights whose outputs spread over all codes."""
    rng = np.random.default_rng(1)
    channels, taps = w[axis], int(np.prod(w)) // w[axis]
    scales = tuple(float(np.float32(s)) for s in rng.uniform(0.002, 0.004, channels))
    weights = Value.constant("w", random_codes(rng, w), QuantType(scales, (0,) * channels, axis))
    bias = Value.constant("b", rng.integers(-2000, 2000, channels).astype(np.int32))
    attrs = {"activation": "none", "double_rounding": True, **attrs}
    return _node(op, [_input("x", x), weights, bias], attrs, 0.05 * 0.003 * 74 * 74 * taps**0.5 / 60)


def conv(size: int, cin: int, cout: int, kernel: int, stride: int = 1) -> Graph:
    """A SAME convolution of [size, size, cin]."""
    pad = max(kernel - stride, 0)
    attrs: Attributes = {
        "stride": (stride, stride), "dilation": (1, 1), "padding": (pad // 2, pad // 2, pad - pad // 2, pad - pad // 2)
    }  # fmt: skip
    return _weighted("conv2d", (1, size, size, cin), (cout, kernel, kernel, cin), 0, attrs)


def depthwise(size: int, channels: int, kernel: int, stride: int = 1) -> Graph:
    """A SAME depthwise convolution."""
    pad = max(kernel - stride, 0)
    attrs: Attributes = {
        "stride": (stride, stride), "dilation": (1, 1), "padding": (pad // 2, pad // 2, pad - pad // 2, pad - pad // 2)
    }  # fmt: skip
    return _weighted("depthwise_conv2d", (1, size, size, channels), (kernel, kernel, channels), 2, attrs)


def linear(rows: int, inputs: int, outputs: int) -> Graph:
    """A fully-connected layer over rows (tokens)."""
    return _weighted("fully_connected", (rows, inputs), (outputs, inputs), 0, {})


def matmul(m: int, k: int, n: int, transposed: bool) -> Graph:
    """[m, k] times [k, n], or times [n, k] transposed as in Q K^T."""
    b = _input("b", (1, n, k) if transposed else (1, k, n))
    attrs: Attributes = {"transpose_a": False, "transpose_b": transposed, "activation": "none"}
    return _node("int_matmul", [_input("a", (1, m, k)), b], attrs, 0.05 * 0.05 * 74 * k**0.5)


def softmax(rows: int, width: int) -> Graph:
    """Softmax over the last axis."""
    output = Value("y", (rows, width), DType.INT8, QuantType.per_tensor(1 / 256, -128))
    return single_node_graph("softmax", [_input("x", (rows, width), 0.1)], [output], {"axis": -1, "beta": 1.0})


def of_power(graph: Graph, at: str) -> Graph:
    """The layer with 8-bit codes of a power as its input, or where `at` is "y" as its output."""
    value = graph.outputs[0] if at == "y" else graph.inputs[0]
    graph.nodes[0].attrs["double_rounding"] = False
    value.quant = QuantType.on_grid(1 / 8192 if at == "y" else 8 / 8192, Grid(8, 0.5, 0, 8192))
    return graph


def binary(op: str, elements: int) -> Graph:
    """An elementwise layer of two tensors."""
    shape = (1, elements)
    return _node(op, [_input("a", shape), _input("b", shape, 0.03, 7)], {"activation": "none"}, 0.07)


def pool(op: str, size: int, channels: int) -> Graph:
    """2x2 pooling at stride 2."""
    attrs: Attributes = {
        "kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0), "activation": "none", "count_include_pad": False
    }  # fmt: skip
    return _node(op, [_input("x", (1, size, size, channels))], attrs, 0.05, -5)


def repeated(op: str, first: tuple[int, ...], second: tuple[int, ...]) -> Graph:
    """An elementwise layer whose second tensor repeats."""
    return _node(op, [_input("a", first), _input("b", second, 0.03, 7)], {"activation": "none"}, 0.07)


def sigmoid(elements: int) -> Graph:
    """A function of one tensor: a table."""
    return _node("sigmoid", [_input("x", (1, elements))], {}, 1 / 256, -128)


def mean(size: int, channels: int) -> Graph:
    """The mean over height and width."""
    x = _input("x", (1, size, size, channels))
    return _node("mean", [x], {"axes": (1, 2), "keep_dims": False}, 0.05)


def concat(size: int, first: int, second: int) -> Graph:
    """Two tensors side by side in channels."""
    parts = [_input(name, (1, size, size, channels)) for name, channels in (("a", first), ("b", second))]
    return _node("concat", parts, {"axis": 3}, 0.05, -5)


def pad(size: int, channels: int) -> Graph:
    """One row and column around."""
    attrs: Attributes = {"before": (0, 1, 1, 0), "after": (0, 1, 1, 0), "value": 0.0}
    return _node("pad", [_input("x", (1, size, size, channels))], attrs, 0.05, -5)


def transpose(shape: tuple[int, ...], perm: tuple[int, ...]) -> Graph:
    """Axes in another order."""
    return _node("transpose", [_input("x", shape)], {"perm": perm}, 0.05, -5)


LAYERS = (
    Layer("conv 1x1 64->64 @16x16", lambda: conv(16, 64, 64, 1), 16 * 16 * 64 * 64, 1.96, 0.95),
    Layer("conv 3x3 64->64 @8x8", lambda: conv(8, 64, 64, 3), 8 * 8 * 64 * 64 * 9, 1.76, 0.95),
    Layer("conv 3x3 16->16 @32x32", lambda: conv(32, 16, 16, 3), 32 * 32 * 16 * 16 * 9, 2.35, 1.15),
    Layer("conv 3x3 RGB /2 96x96->16", lambda: conv(96, 3, 16, 3, 2), 48 * 48 * 27 * 16, 1.98, 1.6),
    Layer("projection 196x192x192", lambda: linear(196, 192, 192), 196 * 192 * 192, 1.62, 0.80),
    Layer("QK^T 196x32x196", lambda: matmul(196, 32, 196, True), 196 * 32 * 196, 3.57, 1.2),
    Layer("PV 196x196x32", lambda: matmul(196, 196, 32, False), 196 * 196 * 32, 2.22, 1.1),
    Layer("PV 196x196x32 of a power", lambda: of_power(matmul(196, 196, 32, False), "a"), 196 * 196 * 32, None, 1.1),
    Layer("MLP 32x768x192 of a power", lambda: of_power(linear(32, 768, 192), "x"), 32 * 768 * 192, None, 0.85),
    Layer("MLP 32x768x192", lambda: linear(32, 768, 192), 32 * 768 * 192, None, 0.80),
    Layer("fully connected 256->64", lambda: linear(1, 256, 64), 256 * 64, 2.08, 1.55),
    Layer("depthwise 3x3 64 @16x16", lambda: depthwise(16, 64, 3), 16 * 16 * 64 * 9, 6.55, 4.0),
    Layer("depthwise 3x3 /2 64 @16x16", lambda: depthwise(16, 64, 3, 2), 8 * 8 * 64 * 9, 6.55, 4.0),
    Layer("depthwise 5x5 64 @16x16", lambda: depthwise(16, 64, 5), 16 * 16 * 64 * 25, 4.73, 3.2),
    Layer("softmax 64x196, per element", lambda: softmax(64, 196), 64 * 196, 275, 25),
    Layer("softmax 64x196 of a power", lambda: of_power(softmax(64, 196), "y"), 64 * 196, None, 25),
    Layer("softmax 1x10, per element", lambda: softmax(1, 10), 10, 275, 25),
    Layer("add, per element", lambda: binary("add", 4096), 4096, 81, 12),
    Layer("mul, per element", lambda: binary("mul", 4096), 4096, 36, 10),
    Layer("avg pool 2x2, per input", lambda: pool("avg_pool2d", 16, 32), 16 * 16 * 32, 6.4, 3),
    Layer("max pool 2x2, per input", lambda: pool("max_pool2d", 16, 32), 16 * 16 * 32, 8.9, 3),
    Layer("sub, per element", lambda: binary("sub", 4096), 4096, None, 12),
    Layer("add [16,16,32] + [32]", lambda: repeated("add", (1, 16, 16, 32), (32,)), 16 * 16 * 32, None, 12),
    Layer("mul [16,16,32] * [32]", lambda: repeated("mul", (1, 16, 16, 32), (32,)), 16 * 16 * 32, None, 14),
    Layer("mul [16,16,32] * [16,16,1]", lambda: repeated("mul", (1, 16, 16, 32), (16, 16, 1)), 16 * 16 * 32, None, 12),
    Layer("sigmoid, per element", lambda: sigmoid(4096), 4096, None, 4),
    Layer("mean of 8x8 @64, per input", lambda: mean(8, 64), 8 * 8 * 64, None, 3),
    Layer("concat 32 + 32 @16x16", lambda: concat(16, 32, 32), 16 * 16 * 64, None, 3),
    Layer("pad 16x16 @16 by 1", lambda: pad(16, 16), 18 * 18 * 16, None, 2),
    Layer("transpose HWC to CHW 16x16x16", lambda: transpose((1, 16, 16, 16), (0, 3, 1, 2)), 16 * 16 * 16, None, 6),
)


# On cores with 128-bit vectors: instructions per unit of CMSIS-NN, None where unknown, and ours at most.
VECTORS: dict[str, tuple[float | None, float]] = {
    "conv 1x1 64->64 @16x16": (0.393, 0.20),
    "conv 3x3 64->64 @8x8": (0.207, 0.15),
    "conv 3x3 16->16 @32x32": (0.399, 0.25),
    "conv 3x3 RGB /2 96x96->16": (None, 0.6),
    "projection 196x192x192": (0.245, 0.15),
    "QK^T 196x32x196": (1.056, 0.35),
    "PV 196x196x32": (0.668, 0.25),
    "PV 196x196x32 of a power": (None, 1.1),
    "MLP 32x768x192 of a power": (None, 0.85),
    "MLP 32x768x192": (None, 0.15),
    "fully connected 256->64": (None, 0.2),
    "depthwise 3x3 64 @16x16": (2.328, 1.0),
    "depthwise 3x3 /2 64 @16x16": (None, 2.0),
    "depthwise 5x5 64 @16x16": (1.750, 0.6),
    "softmax 64x196, per element": (559, 25),
    "softmax 64x196 of a power": (None, 25),
    "add, per element": (13.8, 4),
    "mul, per element": (6.8, 5),
    "avg pool 2x2, per input": (1.7, 1.7),
    "max pool 2x2, per input": (1.6, 1.0),
}


# On cores without DSP instructions: instructions per unit at most, on Cortex-M3 and on Cortex-M0+.
SCALAR: dict[str, tuple[float, float]] = {
    "conv 1x1 64->64 @16x16": (2.7, 4.4),
    "conv 3x3 64->64 @8x8": (2.3, 3.8),
    "conv 3x3 16->16 @32x32": (2.6, 4.2),
    "conv 3x3 RGB /2 96x96->16": (4.0, 6.1),
    "projection 196x192x192": (2.4, 3.9),
    "QK^T 196x32x196": (3.4, 5.9),
    "PV 196x196x32": (2.6, 4.4),
    "fully connected 256->64": (2.6, 4.0),
    "depthwise 3x3 64 @16x16": (7.0, 10.0),
    "depthwise 3x3 /2 64 @16x16": (7.0, 10.0),
    "depthwise 5x5 64 @16x16": (5.0, 6.8),
    "softmax 64x196, per element": (35, 75),
}


def bounds(layer: Layer, board: Board) -> tuple[float | None, float]:
    """The best open library's instructions per unit where they are known, and ours at most."""
    if board.mve:
        return VECTORS.get(layer.title, (None, layer.goal))
    if board.dsp:
        return layer.peer, layer.goal
    m3, m0 = SCALAR.get(layer.title, (math.inf, math.inf))
    return None, m3 if board.core == "cortex-m3" else m0


def roomy(board: Board) -> Board:
    """The board with 128 KB of RAM at least: the largest layers need more than the small cores' boards have."""
    main = board.ram_internal.name
    regions = tuple(replace(r, size=max(r.size, ROOM)) if r.name == main else r for r in board.regions)
    return replace(board, regions=regions)


def count(graph: Graph, board: Board, toolchain: str, folder: Path) -> Count:
    """Build one graph into `folder` and run it once on random codes."""
    program, plan = lower_and_plan(graph, Target.of(board), plan_regions(board, external=False))
    validate_plan(program, plan)
    emitted = emit_model("layer", program, plan)
    write_sources(folder, emitted, program)
    sources = sorted((folder / "src").glob("*.c")) + sorted((folder / "harness").glob("*.c"))
    script = linker_script(board, 4096)
    includes = [folder / "include", folder / "src"]
    image = get_toolchain(toolchain).compile(sources, includes, board, folder / "build", script, {})
    rng = np.random.default_rng(2)
    inputs: list[Array] = [random_codes(rng, v.shape) for v in graph.inputs]
    want = run_reference(graph, inputs)[graph.outputs[0]]

    def address(port: Port) -> int:
        place = plan.places[port.buffer]
        return image.symbols[f"arena_{plan.arenas.index(place.region)}"].address + place.offset

    with open_machine(board, image, list(emitted.layer_symbols), emitted.run_symbol) as machine:
        machine.boot()
        for port, array in zip(program.inputs, inputs, strict=True):
            machine.write(address(port), array.tobytes())
        instructions = machine.run_once().total
        got = machine.read(address(program.outputs[0]), want.nbytes)
    code = sum(image.symbols[s].size for s in image.symbols if s.startswith("ek_"))
    return Count(instructions, code, sum(plan.arena.values()), got == want.tobytes())


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Instructions of single int8 layers against the best open libraries.")
    parser.add_argument("--board", default="stm32f746")
    parser.add_argument("--toolchain", nargs="+", default=["zig", "gcc"], choices=["zig", "gcc"])
    parser.add_argument("layers", nargs="*", help="only titles that hold one of these words")
    options = parser.parse_args()
    board, wrong = roomy(emulated_board(load_board(options.board))), False
    print(f"{'layer':30} {'peer':>6} {'goal':>6}", *(f"{t:>7} {'code B':>7} {'arena B':>8}" for t in options.toolchain))
    for layer in LAYERS:
        if options.layers and not any(word in layer.title for word in options.layers):
            continue
        cells = []
        for toolchain in options.toolchain:
            with tempfile.TemporaryDirectory() as folder:
                got = count(layer.graph(), board, toolchain, Path(folder) / "project")
            wrong |= not got.equal
            cells.append(f"{got.instructions / layer.units:7.3f} {got.code:7} {got.arena:8}")
            cells[-1] += "" if got.equal else " DIFFERS"
        peer, goal = bounds(layer, board)
        print(f"{layer.title:30} {'-' if peer is None else f'{peer:.2f}':>6} {goal:6.2f}", *cells, flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
