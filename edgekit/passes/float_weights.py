"""Weights stored as int8 in a float model (dynamic-range quantization) as the real numbers that they are."""

from __future__ import annotations

from edgekit.ir import DType, Graph, Value
from edgekit.passes.affine import LINEAR
from edgekit.passes.base import Pass


class DequantizeStoredWeights(Pass):
    """A product of float activations with quantized constant weights gets float weights.

    Requires nothing. Ensures that a product with a float input has no quantized operand, so that the model counts as
    float and can be quantized. The real numbers are the same.
    """

    name = "float-weights"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in graph.nodes:
            if node.op not in LINEAR or node.input(0).dtype is not DType.FLOAT32:
                continue
            for index, value in enumerate(node.inputs):
                if index and value is not None and value.is_constant and value.quant is not None:
                    node.set_input(index, Value.constant(value.name, value.quant.dequantize(value.array)))
                    changed = True
        return changed
