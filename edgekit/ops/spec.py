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
    """

    name: str
    summary: str
    onnx: tuple[str, ...] = ()
    tflite: tuple[str, ...] = ()
    rewrite: str = ""
    shares_quantization: bool = False
    fixed_output_quant: tuple[float, int] | None = None

    @property
    def constraints(self) -> Sequence[Constraint]:
        """Functions of a node that must all be true for it to be built."""
        return ()

    @abstractmethod
    def infer(self, node: Node) -> list[Shape]:
        """Shapes of the outputs; raises BadModel where the inputs do not go together."""

    @abstractmethod
    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """Outputs in float32 from float32 inputs; attributes as documented by the spec."""

    @abstractmethod
    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """Outputs as integer codes from integer codes: the definition that every C kernel equals bit for bit."""

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of one execution; 0 for data movement and elementwise work."""
        return 0

    def cases(self) -> Iterable[Case]:
        """Conformance cases."""
        return ()

    def reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """The integer or float reference, by the type of the first input."""
        if node.input(0).dtype is DType.FLOAT32:
            outputs = self.float_reference(node, inputs)
        else:
            outputs = self.int_reference(node, inputs)
        for value, array in zip(node.outputs, outputs, strict=True):
            if array.shape != value.shape or array.dtype != value.dtype.numpy:
                raise InternalError(
                    f"reference of {node.op} gave {array.dtype}{list(array.shape)} for {value!r} of {node.name!r}"
                )
        return outputs


def check_constraints(node: Node, spec: OpSpec) -> list[str]:
    """The texts of all constraints that `node` breaks, each with the spec's suggested rewrite."""
    broken = []
    for constraint in spec.constraints:
        if not constraint(node):
            text = (constraint.__doc__ or "").strip().rstrip(".")
            hint = f"; {spec.rewrite}" if spec.rewrite else ""
            broken.append(f"layer {node.name!r} ({node.op}): {text}{hint}")
    return broken


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
