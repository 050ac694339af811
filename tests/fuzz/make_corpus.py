"""Write the starting corpus: python -m tests.fuzz.make_corpus. The files are committed; the suite replays them."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz import tflite_models
from tests.fuzz.run import CORPUS

# The largest node case that is taken, and how many per operator.
MAX_BYTES = 2500
PER_OPERATOR = 2


def main() -> None:
    """Replace the files of all targets."""
    files: dict[str, dict[str, bytes]] = {
        "onnx": {**_node_cases(), **_networks()},
        "tflite": tflite_models.all_models(),
        "passes": _bytes(24),
        "quantizer": _bytes(24),
    }
    for target, models in files.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, data in models.items():
            (folder / name).write_bytes(data)
        print(f"{target}: {len(models)} files, {sum(map(len, models.values()))} bytes")


def _node_cases() -> dict[str, bytes]:
    """The smallest cases of the onnx package, a few per operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    by_operator: dict[str, list[tuple[int, str, bytes]]] = {}
    for case in cases:
        if case.model is None or case.name.endswith("_expanded"):
            continue
        data = case.model.SerializeToString(deterministic=True)
        by_operator.setdefault(case.model.graph.node[0].op_type, []).append((len(data), case.name, data))
    chosen = {}
    for found in by_operator.values():
        for size, name, data in sorted(found)[:PER_OPERATOR]:
            if size <= MAX_BYTES:
                chosen[f"{name.removeprefix('test_')}.onnx"] = data
    return chosen


def _networks() -> dict[str, bytes]:
    """Small networks: a float one with constants, its QDQ form, and one with weights out of a table of levels."""
    rng = np.random.default_rng(4)
    constants = {
        "w": rng.normal(0, 0.5, (4, 2, 3, 3)).astype(np.float32), "b": np.ones(4, np.float32),
        "v": rng.normal(0, 0.5, (16, 3)).astype(np.float32), "s": np.array([1, -1], np.int64),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["d", "s"], ["e"]),
        helper.make_node("MatMul", ["e", "v"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"], axis=1),
    ]
    floats = _model(nodes, constants, [1, 2, 4, 4])
    quantized = {
        "s": np.array(0.05, np.float32), "z": np.array(3, np.int8), "zw": np.array(0, np.int8),
        "w": rng.integers(-127, 128, (4, 2, 3, 3)).astype(np.int8), "sw": np.array(0.01, np.float32),
        "b": np.zeros(4, np.int32), "sb": np.array(0.05 * 0.01, np.float32), "zb": np.array(0, np.int32),
    }  # fmt: skip
    qdq = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xr"]),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["wr"]),
        helper.make_node("DequantizeLinear", ["b", "sb", "zb"], ["br"]),
        helper.make_node("Conv", ["xr", "wr", "br"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["y"]),
    ]
    return {
        "network_float.onnx": floats,
        "network_qdq.onnx": _model(qdq, quantized, [1, 2, 4, 4]),
        "network_levels.onnx": _levels(),
    }


def _levels() -> bytes:
    """A product with UINT4 indices into a table of levels."""
    constants = {
        "s": np.array(0.05, np.float32), "z": np.array(3, np.int8), "sw": np.full(4, 0.01, np.float32),
        "t": np.array([-9, -2, -1, 0, 1, 2, 9], np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xr"]),
        helper.make_node("Cast", ["i"], ["i32"], to=TensorProto.INT32),
        helper.make_node("Gather", ["t", "i32"], ["w"]),
        helper.make_node("DequantizeLinear", ["w", "sw"], ["wr"], axis=1),
        helper.make_node("MatMul", ["xr", "wr"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["mq"]),
        helper.make_node("DequantizeLinear", ["mq", "s", "z"], ["y"]),
    ]
    model = onnx.ModelProto.FromString(_model(nodes, constants, [1, 3], opset=21))
    indices = TensorProto(name="i", data_type=TensorProto.UINT4, dims=[3, 4], raw_data=bytes.fromhex("105463524136"))
    model.graph.initializer.append(indices)
    return bytes(model.SerializeToString(deterministic=True))


def _model(nodes: list[onnx.NodeProto], constants: dict[str, Any], shape: list[int], opset: int = 17) -> bytes:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))


def _bytes(count: int) -> dict[str, bytes]:
    """Decisions for random graphs; every file makes another one."""
    return {f"random_{i:02}": b"".join(hashlib.sha256(bytes((i, k))).digest() for k in range(3)) for i in range(count)}


if __name__ == "__main__":
    main()
