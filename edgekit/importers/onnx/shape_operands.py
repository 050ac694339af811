"""Which operands say how large something is, rather than what it holds: they must be known when code is generated."""

from __future__ import annotations

from edgekit.importers.onnx.file import ModelRecord

# Operator -> operands that must be constants.
SHAPE_OPERANDS: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,), "BlackmanWindow": (0,), "CenterCropPad": (1,), "Col2Im": (1, 2), "Compress": (1,),
    "ConstantOfShape": (0,), "CumProd": (1,), "CumSum": (1,), "DFT": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "HammingWindow": (0,), "HannWindow": (0,), "MaxUnpool": (2,), "MelWeightMatrix": (0, 1, 2, 3, 4),
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
    maker = {name: node for node in record.nodes for name in node.outputs if name}
    pending = [
        node.inputs[index]
        for node in record.nodes
        for index in SHAPE_OPERANDS.get(node.op, ())
        if index < len(node.inputs)
    ]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in maker and maker[name].op not in _SHAPE_ONLY:
            pending += maker[name].inputs
    return [info.name for info in record.inputs if info.name in seen]
