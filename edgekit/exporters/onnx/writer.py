"""An ONNX graph that grows: nodes, initializers, and the tensors that stand for the values of a Graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgekit.errors import UnsupportedModel
from edgekit.importers.onnx.grid_function import DOMAIN, PARAMETERS, grid_parameters, on_grid
from edgekit.importers.onnx.grid_function import NAME as GRID
from edgekit.ir import Array, DType, Node, Value

# The first opset with tensors of 4 bits.
OPSET, IR_VERSION = 21, 10
MAX_NAME = 200
# From an int8 code to the uint8 code of the same number; zero points move with it.
UINT8_SHIFT = 128
NHWC_TO_NCHW, NCHW_TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


class OnnxWriter:
    """Nodes and initializers with names of their own.

    A value of rank 4 has up to two tensors: in its own layout, NHWC for images, and channels first, as ONNX's
    convolutions take it. Each is made from the other where it is first needed.
    """

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._names: set[str] = set()
        self._own: dict[Value, str] = {}
        self._first: dict[Value, str] = {}
        self._grids = False

    # Names.

    def reserve(self, name: str) -> str:
        """A name of its own, of printable characters, for a tensor or node that the model names `name`."""
        clean = "".join(c if c.isprintable() else "?" for c in name)[:MAX_NAME] or "unnamed"
        count, unique = 1, clean
        while unique in self._names:
            count += 1
            unique = f"{clean}#{count}"
        self._names.add(unique)
        return unique

    # Tensors.

    def constant(self, name: str, array: Array) -> str:
        """An initializer of the array's own shape: onnxruntime takes no scale of shape [1] for a scalar."""
        tensor = numpy_helper.from_array(np.asarray(array, order="C"), self.reserve(name))
        self.initializers.append(tensor)
        return str(tensor.name)

    def narrow_constant(self, name: str, array: Array, signed: bool) -> str:
        """An initializer of integers of 4 bits, two to a byte, the first in the low half."""
        nibbles = np.append(array.astype(np.int64).reshape(-1) & 15, np.zeros(array.size % 2, np.int64))
        packed = (nibbles[0::2] | (nibbles[1::2] << 4)).astype(np.uint8)
        kind = TensorProto.INT4 if signed else TensorProto.UINT4
        self.initializers.append(
            TensorProto(name=self.reserve(name), data_type=kind, dims=array.shape, raw_data=packed.tobytes())
        )
        return str(self.initializers[-1].name)

    def emit(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        attrs: Mapping[str, Any] | None = None,
        output: str | None = None,
        domain: str = "",
    ) -> str:
        """A node of one output; the name of that, `output` where given."""
        node_name = self.reserve(name)
        output = output or self.reserve(f"{node_name} out")
        self.nodes.append(helper.make_node(op, list(inputs), [output], node_name, domain=domain, **(attrs or {})))
        return output

    # Values.

    def put(self, value: Value, tensor: str, channels_first: bool = False) -> None:
        """Say which tensor holds a value."""
        (self._first if channels_first else self._own)[value] = tensor

    def has_first(self, value: Value) -> bool:
        """Whether a value is there with its channels first already."""
        return value in self._first

    def own(self, value: Value) -> str:
        """The tensor of a value in its own layout."""
        if value.is_constant and value not in self._own:
            self._own[value] = self._constant_value(value)
        if value not in self._own:
            self._own[value] = self.emit(
                "Transpose", f"{value.name} to NHWC", [self._first[value]], {"perm": NCHW_TO_NHWC}
            )  # fmt: skip
        return self._own[value]

    def channels_first(self, value: Value) -> str:
        """The tensor of an NHWC value as NCHW."""
        if value not in self._first:
            self._first[value] = self.emit(
                "Transpose", f"{value.name} to NCHW", [self.own(value)], {"perm": NHWC_TO_NCHW}
            )  # fmt: skip
        return self._first[value]

    def quantized(self, node: Node, value: Value, real: str, channels_first: bool = False) -> None:
        """Let a value be real numbers rounded to its codes: QuantizeLinear and DequantizeLinear."""
        self.put(value, self.rounded(node.name, value, real), channels_first)

    def rounded(self, name: str, value: Value, real: str) -> str:
        """Real numbers rounded to the codes of a value, as uint8.

        onnxruntime's optimizer takes no others: where it moves a QuantizeLinear past a Transpose, say, the new one has
        uint8 codes whatever the zero point's type.
        """
        if value.quant is None or not value.quant.is_per_tensor or value.dtype is not DType.INT8:
            raise UnsupportedModel(
                f"layer {name!r}: makes {value.dtype.value} that is no int8 code per tensor, which has no QDQ form; "
                "remove the layer"
            )
        if value.quant.grid is not None:
            return self._on_grid(name, value, real)
        parameters = [
            self.constant(f"{value.name} scale", np.array(value.quant.scale[0], np.float32)),
            self.constant(f"{value.name} zero point", np.array(value.quant.zero_point[0] + UINT8_SHIFT, np.uint8)),
        ]
        codes = self.emit("QuantizeLinear", f"{value.name} codes", [real, *parameters])
        return self.emit("DequantizeLinear", f"{value.name} real", [codes, *parameters])

    def _on_grid(self, name: str, value: Value, real: str) -> str:
        assert value.quant is not None
        parts = zip(PARAMETERS, grid_parameters(value.quant), strict=True)
        names = [self.constant(f"{value.name} {part}", array) for part, array in parts]
        self._grids = True
        return self.emit(GRID, name, [real, *names], domain=DOMAIN)

    def _constant_value(self, value: Value) -> str:
        """A constant operand: codes with their scale, or numbers as they are."""
        if value.quant is None:
            return self.constant(value.name, value.array)
        axis = {} if value.quant.axis is None else {"axis": value.quant.axis}
        scale = np.array(value.quant.scale if axis else value.quant.scale[0], np.float32)
        zero = np.array(value.quant.zero_point if axis else value.quant.zero_point[0], value.dtype.numpy)
        parts = [value.array, scale, zero]
        names = [
            self.constant(f"{value.name} {p}", a) for p, a in zip(("codes", "scale", "zero point"), parts, strict=True)
        ]
        return self.emit("DequantizeLinear", f"{value.name} real", names, axis)

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The whole file."""
        graph = helper.make_graph(self.nodes, self.reserve(name), inputs, outputs, self.initializers)
        domains = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(DOMAIN, 1)] if self._grids else [])
        functions = [on_grid(OPSET)] if self._grids else []
        return helper.make_model(
            graph, opset_imports=domains, functions=functions, ir_version=IR_VERSION, producer_name="edgekit"
        )
