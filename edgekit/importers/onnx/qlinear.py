"""Operators on codes (QLinearConv and its kin) as the QDQ form of what they do: dequantize, compute, quantize."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgekit.importers.onnx.file import ModelRecord, NodeRecord

_MS = "com.microsoft."
# Operator -> (what it computes, where its operands' codes, scales and zero points start, where the result's scale is).
_TRIPLES: dict[str, tuple[str, tuple[int, ...], int]] = {
    "QLinearMatMul": ("MatMul", (0, 3), 6),
    f"{_MS}QLinearAdd": ("Add", (0, 3), 6),
    f"{_MS}QLinearMul": ("Mul", (0, 3), 6),
    f"{_MS}QLinearSigmoid": ("Sigmoid", (0,), 3),
    f"{_MS}QLinearLeakyRelu": ("LeakyRelu", (0,), 3),
    f"{_MS}QLinearAveragePool": ("AveragePool", (0,), 3),
    f"{_MS}QLinearGlobalAveragePool": ("GlobalAveragePool", (0,), 3),
    f"{_MS}QLinearSoftmax": ("Softmax", (0,), 3),
}
_OWN_ATTRIBUTES = ("channels_last", "opset")
OPERATORS = ("QLinearConv", f"{_MS}QLinearConcat", f"{_MS}QGemm", *_TRIPLES)


def as_qdq(record: ModelRecord, literal: bool) -> ModelRecord:
    """The record with operators on codes replaced; with `literal` all but ONNX's own, which are integers."""
    if not any(_is_ours(node, literal) for node in record.nodes):
        return record
    nodes: list[NodeRecord] = []
    for node in record.nodes:
        nodes += _Rewrite(node).nodes() if _is_ours(node, literal) else [node]
    return replace(record, nodes=nodes)


def _is_ours(node: NodeRecord, literal: bool) -> bool:
    if literal and not node.op.startswith(_MS):
        return False
    # Layouts with the channels last are another operator.
    return node.op in OPERATORS and not node.attrs.get("channels_last", 0) and len(node.outputs) == 1


class _Rewrite:
    """The nodes of one operator; tensors in between get names that no file can have."""

    def __init__(self, node: NodeRecord) -> None:
        self.node, self.made = node, list[NodeRecord]()

    def nodes(self) -> list[NodeRecord]:
        op, inputs = self.node.op, self.node.inputs
        if op == "QLinearConv":
            operands = [self._real(0), self._real(3, axis=0)]
            self._compute("Conv", [*operands, *self._bias(8, 1, 4)], 6)
        elif op == f"{_MS}QGemm":
            axis = 0 if self.node.attrs.get("transB", 0) else 1
            operands = [self._real(0), self._real(3, axis=axis)]
            self._compute("Gemm", [*operands, *self._bias(6, 1, 4)], 7)
        elif op == f"{_MS}QLinearConcat":
            self._compute("Concat", [self._real(place) for place in range(2, len(inputs), 3)], 0)
        else:
            what, places, result = _TRIPLES[op]
            self._compute(what, [self._real(place) for place in places], result)
        return self.made

    def _at(self, place: int) -> str:
        return self.node.inputs[place] if place < len(self.node.inputs) else ""

    def _add(self, op: str, inputs: list[str], output: str, attrs: dict[str, Any] | None = None) -> str:
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        name = self.node.name if op not in ("DequantizeLinear", "QuantizeLinear", "Mul") else f"{self.node.name} {op}"
        self.made.append(NodeRecord(self.node.index, op, name, tuple(inputs), (output,), attrs or {}))
        return output

    def _real(self, place: int, axis: int | None = None) -> str:
        """The operand at a place, whose scale and zero point follow it, as real numbers."""
        attrs = {} if axis is None else {"axis": axis}
        inputs = [self._at(place), self._at(place + 1), self._at(place + 2)]
        return self._add("DequantizeLinear", inputs, f"{self.node.outputs[0]}\0{place}", attrs)

    def _bias(self, place: int, scale_x: int, scale_w: int) -> list[str]:
        """The bias, whose codes have the product of the other two scales."""
        if not self._at(place):
            return []
        own = self.node.outputs[0]
        scale = self._add("Mul", [self._at(scale_x), self._at(scale_w)], f"{own}\0scale")
        return [self._add("DequantizeLinear", [self._at(place), scale], f"{own}\0bias", {"axis": 0})]

    def _compute(self, op: str, operands: list[str], result: int) -> None:
        """The operator on real numbers, and its result as codes."""
        attrs = {key: value for key, value in self.node.attrs.items() if key not in _OWN_ATTRIBUTES}
        real = self._add(op, operands, f"{self.node.outputs[0]}\0real", attrs)
        self._add("QuantizeLinear", [real, self._at(result), self._at(result + 1)], self.node.outputs[0])
