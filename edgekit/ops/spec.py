"""What an operator is: one OpSpec per operator, one operator (or family) per file.

The spec is the single definition that everything else reads: shape rule, float and integer numpy reference,
constraints (whose docstrings are the user's error and the row of the docs), multiply-accumulates, and the cases that
the conformance suite runs on every architecture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.errors import BadModel, InternalError, UnsupportedModel
from edgekit.ir import Array, DType, Graph, Node, Value

Shape = tuple[int, ...]
Constraint = Callable[[Node], bool]


@dataclass(frozen=True)
class Case:
    """One conformance case: a graph with one node of the operator, and the inputs to run it on.

    Attributes:
        name: lower-case identifier, unique within the operator.
        graph: integer (or quantize/dequantize) graph; its reference must be runnable.
        inputs: several sets of arrays, each one array per graph input, in the input's dtype.
    """

    name: str
    graph: Graph
    inputs: tuple[tuple[Array, ...], ...]


class OpSpec(ABC):
    """Base of all operator specs.

    Attributes:
        name: the `Node.op` it defines.
        summary: one line for the docs.
        onnx, tflite: names of the file formats' operators that become this one.
        rewrite: what a user can do where a constraint fails.
        shares_quantization: the output has the input's quantization (data movement, max pooling).
        fixed_output_quant: (scale, zero point) that the int8 output always has, if any.
        encodes: it can make int8 values of a grid; decodes: it can read those that are coded, as its first operand.
        keeps_float_constants: constant operands stay real numbers in an integer graph; lowering makes integers of them.

    Every operator has up to two forms: on plain numbers (float32, integers, bool: `float_reference`) and on quantized
    codes (`int_reference`). A node is in the second form when any of its values has a QuantType.
    """

    name: str
    summary: str
    onnx: tuple[str, ...] = ()
    tflite: tuple[str, ...] = ()
    rewrite: str = ""
    shares_quantization: bool = False
    fixed_output_quant: tuple[float, int] | None = None
    keeps_float_constants: bool = False
    encodes: bool = False
    decodes: bool = False

    @property
    def constraints(self) -> Sequence[Constraint]:
        """Functions of a node that must all be true for it to be built; one may rely on those before it."""
        return ()

    @abstractmethod
    def infer(self, node: Node) -> list[Shape]:
        """Shapes of the outputs; raises BadModel where the inputs do not go together."""

    def infer_types(self, node: Node) -> list[DType]:
        """Element types of the outputs; that of the first input unless the operator says otherwise."""
        return [node.input(0).dtype for _ in node.outputs]

    def tied(self, node: Node) -> list[Value]:
        """The values of a node that must share one quantization, where it is quantized."""
        if not self.shares_quantization:
            return []
        return [v for v in (*node.inputs, *node.outputs) if v is not None]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """Outputs from plain numbers, every rounding step as the C kernel does it; attributes as the spec documents."""
        raise UnsupportedModel(f"layer {node.name!r} ({self.name}): has no form on plain numbers")

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """Outputs as integer codes from integer codes: the definition that every C kernel equals bit for bit."""
        raise UnsupportedModel(f"layer {node.name!r} ({self.name}): has no quantized form; use --precision float32")

    def estimate(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """`float_reference` up to rounding, by the fastest means: for calibration."""
        return self.float_reference(node, inputs)

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of one execution; 0 for data movement and elementwise work."""
        return 0

    def cases(self) -> Iterable[Case]:
        """Conformance cases."""
        return ()

    def reference(self, node: Node, inputs: Sequence[Array | None], exact: bool = True) -> list[Array]:
        """The node's result; `exact` False allows other rounding of floats."""
        if is_quantized(node):
            outputs = self.int_reference(node, inputs)
        else:
            outputs = self.float_reference(node, inputs) if exact else self.estimate(node, inputs)
        for value, array in zip(node.outputs, outputs, strict=True):
            if array.shape != value.shape or array.dtype != value.dtype.numpy:
                raise InternalError(
                    f"reference of {node.op} gave {array.dtype}{list(array.shape)} for {value!r} of {node.name!r}"
                )
        return outputs


def is_quantized(node: Node) -> bool:
    """Whether any value of the node holds quantized codes."""
    return any(v is not None and v.quant is not None for v in (*node.inputs, *node.outputs))


def real_constant(value: Value) -> Array:
    """The numbers of a constant, codes dequantized."""
    return value.array if value.quant is None else value.quant.dequantize(value.array)


def demand(constraint: Constraint) -> str:
    """What a constraint asks for, its docstring, in one line."""
    return " ".join((constraint.__doc__ or constraint.__name__).split())


def check_constraints(node: Node, spec: OpSpec) -> list[str]:
    """The text of the first constraint that `node` breaks, with the spec's suggested rewrite; none where it keeps all.

    Constraints stand in order: one may take for granted what those before it say.
    """
    for constraint in spec.constraints:
        if not constraint(node):
            hint = f"; {spec.rewrite}" if spec.rewrite else ""
            return [f"layer {node.name!r} ({node.op}): {demand(constraint).rstrip('.')}{hint}"]
    return []


def require_supported(broken: Sequence[str]) -> None:
    """Raise UnsupportedModel that names every broken constraint; do nothing when there is none."""
    if broken:
        raise UnsupportedModel("the model uses what edgekit does not build:\n  " + "\n  ".join(broken))


def bad_shape(node: Node, why: str) -> BadModel:
    """The error for inputs that do not go together."""
    shapes = ", ".join("none" if v is None else str(list(v.shape)) for v in node.inputs)
    return BadModel(f"layer {node.name!r} ({node.op}): {why} (input shapes: {shapes})")


def single_node_graph(
    op: str,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    attrs: dict[str, object],
) -> Graph:
    """A graph of one node, for conformance cases; constants among `inputs` are not graph inputs."""
    node = Node(op, op, inputs, outputs, attrs)
    return Graph(op, [v for v in inputs if not v.is_constant], list(outputs), [node])


def random_codes(rng: np.random.Generator, shape: Sequence[int], dtype: DType = DType.INT8) -> Array:
    """Uniform codes over the whole range, with both extremes present, for conformance cases."""
    info = np.iinfo(dtype.numpy)
    codes = rng.integers(info.min, info.max + 1, size=tuple(shape)).astype(dtype.numpy)
    flat = codes.reshape(-1)
    if flat.size > 1:
        flat[0], flat[-1] = info.min, info.max
    return codes


def random_numbers(rng: np.random.Generator, shape: Sequence[int], dtype: DType) -> Array:
    """Plain numbers for conformance cases: floats of ordinary size with a few awkward ones, integers of all sizes."""
    if dtype is DType.BOOL:
        return rng.integers(0, 2, tuple(shape)).astype(bool)
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        numbers = rng.integers(info.min, info.max, tuple(shape), dtype.numpy, endpoint=True)
        small = rng.integers(0 if info.min == 0 else -9, 10, tuple(shape)).astype(dtype.numpy)
        return np.asarray(np.where(rng.random(tuple(shape)) < 0.5, numbers, small), dtype.numpy)
    floats = np.asarray(rng.normal(0, 3, tuple(shape)), dtype.numpy)
    special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        1e-30,
        -1e-30,
        90.0,
        -90.0,
        1e30,
        -1e30,
        8388609.0,
        0.99,
    ]
    if floats.ndim:
        flat = floats.reshape(-1)
        flat[: min(flat.size // 2, len(special))] = special[: flat.size // 2]
    return floats
