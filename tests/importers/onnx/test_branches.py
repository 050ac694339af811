"""If with a condition that is known at import."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit.onnx_backend as backend
from tests.importers.onnx.helpers import make_model, node


def _branch(nodes: list[onnx.NodeProto], output: str, constants: dict[str, float]) -> onnx.GraphProto:
    return helper.make_graph(
        nodes, "branch", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array([value], np.float32), name) for name, value in constants.items()],
    )  # fmt: skip


@pytest.mark.parametrize("condition", [True, False])
def test_chosen_branch_is_built(condition: bool) -> None:
    """Branches take tensors from outside, have initializers of one name, and stand in each other."""
    inner = helper.make_node(
        "If", ["c"], ["deep"], then_branch=_branch([node("Mul", "h k", "m")], "m", {"k": 3.0}),
        else_branch=_branch([node("Neg", "h", "m")], "m", {}),
    )  # fmt: skip
    outer = helper.make_node(
        "If", ["c"], ["y"], then_branch=_branch([node("Add", "r k", "h"), inner], "deep", {"k": 2.0}),
        else_branch=_branch([node("Sub", "r k", "h")], "h", {"k": 5.0}),
    )  # fmt: skip
    model = make_model([node("Relu", "x", "r"), outer], [2, 3], {"c": np.array(condition)})
    x = np.arange(-3, 3, dtype=np.float32).reshape(2, 3)
    relu = np.maximum(x, 0)
    want = (relu + 2) * 3 if condition else relu - 5
    (got,) = backend.prepare(model).run([x])
    np.testing.assert_array_equal(got, want.astype(np.float32))


def test_condition_that_is_an_input_is_bound() -> None:
    layer = helper.make_node(
        "If", ["c"], ["y"], then_branch=_branch([node("Identity", "x", "a")], "a", {}),
        else_branch=_branch([node("Neg", "x", "a")], "a", {}),
    )  # fmt: skip
    graph = helper.make_graph(
        [layer], "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
    )  # fmt: skip
    prepared = backend.prepare(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(prepared.run([x, np.array(True)])[0], x)
    np.testing.assert_array_equal(prepared.run([x, np.array(False)])[0], -x)


def test_output_from_outside() -> None:
    """A branch's output may be a tensor from outside."""
    layer = helper.make_node("If", ["c"], ["y"], then_branch=_branch([], "r", {}), else_branch=_branch([], "x", {}))
    model = make_model([node("Relu", "x", "r"), layer], [4], {"c": np.array(True)})
    (got,) = backend.prepare(model).run([np.array([-1, 0, 1, 2], np.float32)])
    np.testing.assert_array_equal(got, [0, 0, 1, 2])
