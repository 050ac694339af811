"""Other runtimes on the same model and inputs: what edgekit's results are held against, beside its own reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.ir import Array


def compare_with_litert(
    model: Path, samples: Sequence[Sequence[Array]], references: Sequence[Sequence[Array]]
) -> dict[str, Any]:
    """Count the output elements that differ from LiteRT's reference kernels (BUILTIN_REF) on the same inputs."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    elements = differing = 0
    for sample, reference in zip(samples, references, strict=True):
        for detail, array in zip(interpreter.get_input_details(), sample, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        for detail, want in zip(interpreter.get_output_details(), reference, strict=True):
            got = interpreter.get_tensor(detail["index"])
            elements += got.size
            differing += int(np.sum(got != want))
    return {"name": "LiteRT BUILTIN_REF", "outputs": elements, "differing": differing}
