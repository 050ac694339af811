"""Which operands say how large something is, rather than what it holds: they must be known when code is generated."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import AttributeProto

from edgekit.importers.onnx.file import MAX_NODES, ModelRecord, Unreadable

# Operator -> operands that must be constants.
SHAPE_OPERANDS: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,), "BlackmanWindow": (0,), "CenterCropPad": (1,), "Col2Im": (1, 2), "Compress": (1,),
    "ConstantOfShape": (0,), "CumProd": (1,), "CumSum": (1,), "DFT": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "HammingWindow": (0,), "HannWindow": (0,), "If": (0,), "MaxUnpool": (2,), "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NonMaxSuppression": (2, 3, 4), "OneHot": (1,), "Pad": (1, 2, 3), "Range": (0, 1, 2), "Reshape": (1,),
    "Resize": (1, 2, 3), "ReverseSequence": (1,), "STFT": (1, 3), "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,),
    "Tile": (1,), "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,), "Upsample": (1,),
    **{
        f"Reduce{kind}": (1,)
        for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
    },
}  # fmt: skip
_SHAPE_ONLY = ("Shape", "Size")


def shape_inputs(record: ModelRecord) -> list[str]:
    """Model inputs whose values some shape depends on, in the model's order."""
    nodes = _all_nodes(record)
    maker = {name: (op, inputs) for op, inputs, outputs in nodes for name in outputs if name}
    pending = [inputs[index] for op, inputs, _ in nodes for index in SHAPE_OPERANDS.get(op, ()) if index < len(inputs)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in maker and maker[name][0] not in _SHAPE_ONLY:
            pending += maker[name][1]
    return [info.name for info in record.inputs if info.name in seen]


def _all_nodes(record: ModelRecord) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """(operator, inputs, outputs) of all nodes, those of subgraphs among them."""
    nodes: list[tuple[str, Sequence[str], Sequence[str]]] = [(n.op, n.inputs, n.outputs) for n in record.nodes]
    pending = [v.proto for n in record.nodes for v in n.attrs.values() if isinstance(v, Unreadable)]
    while pending and len(nodes) < 2 * MAX_NODES:
        for node in pending.pop().g.node:
            nodes.append((node.op_type, node.input, node.output))
            pending += [a for a in node.attribute if a.type == AttributeProto.GRAPH]
    return nodes
