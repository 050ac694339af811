"""What each of MCUFormer's savings is worth: `python -m benchmarks.transformer_memory`.

The planned arena of vision transformers with random weights on a 240x240 image, with one saving after the other: all on
one chip memory without an end, so that nothing is moved out. Bytes; the last column is what `edgekit build` plans for a
board of 320 KB.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory import PlanRegion
from edgekit.importers import import_model
from edgekit.ir import Graph
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.prepare import prepared

RANDOM_VIT = Path(__file__).resolve().parents[1] / "examples" / "vision_transformer" / "random_vit.py"
CHIP, UNLIMITED = PlanRegion("ram", 320 * 1024 - 3072), PlanRegion("ram", 1 << 40)
# Depth changes no peak: every block is like the first.
NETWORKS: dict[str, dict[str, Any]] = {
    "embed 192, patch 20, heads 3": {"patch": 20, "embed": 192, "heads": 3},
    "embed 216, patch 16, heads 4": {"patch": 16, "embed": 216, "heads": 4},
    "embed 216, patch 16, heads 4 of 64": {"patch": 16, "embed": 216, "heads": 4, "head_width": 64},
}
STEPS: dict[str, tuple[Tricks, str]] = {
    "none": (Tricks(integration=False, overwriting=False), "whole"),
    "+ integration": (Tricks(overwriting=False), "whole"),
    "+ decomposition": (Tricks(overwriting=False), "rows"),
    "+ overwriting": (Tricks(), "rows"),
}


def random_vit(shape: dict[str, Any]) -> onnx.ModelProto:
    """The model that examples/vision_transformer/random_vit.py makes of VitShape's fields."""
    spec = importlib.util.spec_from_file_location("random_vit", RANDOM_VIT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["random_vit"] = module
    spec.loader.exec_module(module)
    model: onnx.ModelProto = module.random_vit(module.VitShape(**shape))
    return model


def quantized_vit(shape: dict[str, Any]) -> Graph:
    """A transformer of two blocks, calibrated on random numbers."""
    size = {"image": 240, "channels": 3, "depth": 2, "mlp_ratio": 4.0, **shape}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vit.onnx"
        onnx.save(random_vit(size), path)
        graph = prepared(optimise(import_model(path, {})))
    image = np.random.default_rng(0).uniform(0, 1, (1, 3, 240, 240)).astype(np.float32)
    return quantize_graph(graph, [[image]])


def main() -> int:
    """Print the table."""
    print(f"{'network':36}", *(f"{name:>16}" for name in (*STEPS, "320 KB board")))
    for name, shape in NETWORKS.items():
        graph = quantized_vit(shape)
        plans = [lower_and_plan(graph, Target(dsp=True), [UNLIMITED], feed=f, tricks=t) for t, f in STEPS.values()]
        plans.append(lower_and_plan(graph, Target(dsp=True), [CHIP]))
        print(f"{name:36}", *(f"{plan.arena['ram']:16}" for _, plan in plans), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
