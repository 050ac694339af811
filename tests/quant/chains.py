"""Four linear layers of 8 KB each, with samples: what bits are chosen for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgekit.ir import Graph
from edgekit.passes import optimise
from tests.importers.onnx import helpers

Chain = tuple[Graph, list[list[Any]]]


def chain_model() -> onnx.ModelProto:
    """The file."""
    rng = np.random.default_rng(0)
    weights = {f"w{i}": rng.normal(0, 0.1, (64, 128) if i % 2 == 0 else (128, 64)).astype(np.float32) for i in range(4)}
    nodes = []
    for i in range(4):
        nodes.append(helpers.node("MatMul", f"{'x' if i == 0 else f'r{i - 1}'} w{i}", f"m{i}"))
        nodes.append(helpers.node("Relu", f"m{i}", "y" if i == 3 else f"r{i}"))
    return helpers.make_model(nodes, [1, 64], weights)


def linear_chain(folder: Path) -> Chain:
    """The graph of it, optimised, with samples; `folder` is written to."""
    rng = np.random.default_rng(1)
    graph = optimise(helpers.import_model(chain_model(), folder))
    return graph, [[rng.normal(0, 1, (1, 64)).astype(np.float32)] for _ in range(4)]
