"""Malformed and unsupported files: one clear error that names the layer or tensor, never a traceback."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import BadModel, BadUsage, EdgekitError, UnsupportedModel
from edgekit.importers.onnx import import_onnx
from edgekit.passes import optimise
from tests.importers.onnx.helpers import import_model, make_model, node, save
from tests.importers.onnx.level_models import TABLES, groups_model, table_model
from tests.importers.onnx.test_operators import CHAINS
from tests.importers.onnx.test_qdq import conv_net


def survives(data: bytes, path: Path) -> bool:
    """Whether the bytes import; any error but EdgekitError fails the test."""
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimise(import_onnx(path, {}))
    except EdgekitError:
        return False
    return True


SEEDS = {
    "residual": CHAINS["residual"],
    "gemm": CHAINS["flatten_to_gemm"],
    "shapes": CHAINS["slice_of_shape"],
    "qdq": conv_net(np.uint8),
    "levels": table_model([-9, -2, -1, 0, 1, 2, 9], [[0, 3, 6], [1, 2, 5]]),
    "groups": groups_model(TABLES, [0, 0, 0, 0, 7, 7], [[0, 3, 6, 1, 2, 5], [1, 2, 3, 4, 5, 6]], 1),
}


@pytest.mark.parametrize("name", SEEDS)
def test_truncated(name: str, tmp_path: Path) -> None:
    data = SEEDS[name].SerializeToString()
    for end in np.random.default_rng(1).integers(0, len(data) - 1, 60):
        survives(data[:end], tmp_path / "m.onnx")
    with pytest.raises(BadModel):
        (tmp_path / "m.onnx").write_bytes(data[: len(data) // 2])
        import_onnx(tmp_path / "m.onnx", {})


@pytest.mark.parametrize("name", SEEDS)
def test_flipped_bits(name: str, tmp_path: Path) -> None:
    data = SEEDS[name].SerializeToString()
    rng = np.random.default_rng(2)
    for _ in range(400):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), rng.integers(1, 4)):
            damaged[position] ^= 1 << int(rng.integers(8))
        survives(bytes(damaged), tmp_path / "m.onnx")


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"not a model", b"\x08\x07"])
def test_no_model(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(BadModel, match=r"m\.onnx"):
        import_onnx(tmp_path / "m.onnx", {})


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no such file"):
        import_onnx(tmp_path / "absent.onnx", {})


def fails(error: type[EdgekitError], match: str, tmp_path: Path, *nodes: onnx.NodeProto, **more: Any) -> None:
    with pytest.raises(error, match=match):
        import_model(make_model(nodes, more.pop("shape", [1, 3, 4, 4]), **more), tmp_path)


def test_cycle(tmp_path: Path) -> None:
    fails(
        BadModel,
        "Add_a.*reads tensor 'b' before",
        tmp_path,
        node("Add", "x b", "a"),
        node("Relu", "a", "b"),
        outputs=["b"],
    )


def test_missing_tensor(tmp_path: Path) -> None:
    fails(BadModel, "Relu_y.*'ghost'", tmp_path, node("Relu", "ghost", "y"))


def test_missing_output(tmp_path: Path) -> None:
    fails(BadModel, "output 'z' is never", tmp_path, node("Relu", "x", "y"), outputs=["z"])


def test_written_twice(tmp_path: Path) -> None:
    fails(BadModel, "'y' is written twice", tmp_path, node("Relu", "x", "y"), node("Tanh", "x", "y"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_not_finite(value: float, tmp_path: Path) -> None:
    weights = {"weights": np.full((2, 3, 1, 1), value, np.float32)}
    fails(BadModel, "tensor 'weights' has NaN", tmp_path, node("Conv", "x weights", "y"), constants=weights)


def test_wrong_weight_type(tmp_path: Path) -> None:
    fails(
        BadModel, "'w' is int64", tmp_path, node("Conv", "x w", "y"), constants={"w": np.ones((2, 3, 1, 1), np.int64)}
    )


def test_shapes_do_not_fit(tmp_path: Path) -> None:
    fails(BadModel, "Conv_y", tmp_path, node("Conv", "x w", "y"), constants={"w": np.ones((2, 5, 1, 1), np.float32)})
    fails(BadModel, "Reshape_y", tmp_path, node("Reshape", "x s", "y"), constants={"s": np.array([7, -1])})
    fails(BadModel, "larger than its padded", tmp_path, node("MaxPool", "x", "y", kernel_shape=[9, 9]))


def test_wrong_attribute(tmp_path: Path) -> None:
    fails(BadModel, "'kernel_shape' has the wrong type", tmp_path, node("MaxPool", "x", "y", kernel_shape=2.5))
    fails(
        BadModel, "'strides' must be positive", tmp_path, node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 1])
    )
    fails(BadModel, "'perm'|perm", tmp_path, node("Transpose", "x", "y", perm=[0, 0, 1, 2]))


def test_giant_result(tmp_path: Path) -> None:
    shape = {"s": np.array([1 << 40], np.int64)}
    fails(BadModel, "limit", tmp_path, node("ConstantOfShape", "s", "c"), node("Mul", "x c", "y"), constants=shape)
    scales = {"r": np.zeros(0, np.float32), "s": np.array([1, 1, 1 << 15, 1 << 15], np.float32)}
    fails(BadModel, "over", tmp_path, node("Resize", "x r s", "y"), constants=scales)
    fails(BadModel, "limit", tmp_path, node("Relu", "x", "y"), shape=[1, 1 << 20, 1 << 20])


def test_giant_fill_that_is_no_weight(tmp_path: Path) -> None:
    shape = {"s": np.array([4096, 25000], np.int64)}
    fills = node("ConstantOfShape", "s", "w")
    fails(BadModel, "Add_y.*limit", tmp_path, fills, node("Add", "w x", "y"), constants=shape, shape=[1, 1])


def test_giant_fill_read_again_and_again(tmp_path: Path) -> None:
    shape = {"s": np.array([4096, 25000], np.int64)}
    products = [node("MatMul", "x w", f"y{i}") for i in range(50)]
    fills = node("ConstantOfShape", "s", "w")
    fails(
        BadModel, "MatMul_y1.*constants", tmp_path, fills, *products, constants=shape, shape=[1, 4096], outputs=["y9"]
    )


def test_many_grown_constants(tmp_path: Path) -> None:
    shape = {"s": np.array([4096, 1024], np.int64)}
    chain = [node("Exp", f"w{i}", f"w{i + 1}") for i in range(60)]
    nodes = [node("ConstantOfShape", "s", "w0"), *chain, node("Add", "w60 x", "y")]
    fails(BadModel, "Exp_w.*constants", tmp_path, *nodes, constants=shape, shape=[1, 1])


def test_all_unsupported_layers_in_one_error(tmp_path: Path) -> None:
    nodes = [
        node("Unique", "x", "a"), node("Relu", "a", "b"), node("ImageDecoder", "x", "c"), node("NonZero", "x", "d"),
        node("Concat", "b c d", "y", axis=1),
    ]  # fmt: skip
    with pytest.raises(UnsupportedModel) as caught:
        import_model(make_model(nodes, [1, 4, 4, 4], {"w": np.ones((4, 2, 1, 1), np.float32)}), tmp_path)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split("'")[1] for line in lines] == ["Unique_a", "ImageDecoder_c", "NonZero_d"]
    assert all(";" in line for line in lines)


def test_foreign_domain(tmp_path: Path) -> None:
    fails(UnsupportedModel, "com.acme.Magic", tmp_path, helper.make_node("Magic", ["x"], ["y"], domain="com.acme"))


def branching(condition: str, *nodes: onnx.NodeProto, output: str = "z") -> onnx.NodeProto:
    """An If whose branches are both `nodes`."""
    branch = helper.make_graph(list(nodes), "b", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])
    return helper.make_node("If", [condition], ["y"], name="branching", then_branch=branch, else_branch=branch)


def test_computed_condition_is_refused(tmp_path: Path) -> None:
    less = node("Less", "x x", "l")
    fails(UnsupportedModel, "branching.*computed", tmp_path, less, branching("l", node("Relu", "x", "z")))


def test_bad_branches(tmp_path: Path) -> None:
    condition = {"c": np.array(True)}
    for match, layer in {
        "'ghost' before": branching("c", node("Relu", "ghost", "z")),
        "'z' is never": branching("c", node("Relu", "x", "other")),
        "'then_branch' must be a graph": helper.make_node("If", ["c"], ["y"], name="branching", then_branch=3),
        "one output per output": helper.make_node(
            "If", ["c"], ["y", "w"], name="branching", then_branch=branching("c").attribute[0].g
        ),
    }.items():
        fails(BadModel, match, tmp_path, layer, constants=condition)


def test_branch_reads_no_file_outside_the_model_folder(tmp_path: Path) -> None:
    layer = branching("c", node("Add", "x w", "z"))
    for attribute in layer.attribute:
        tensor = attribute.g.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret.bin")
    (tmp_path / "secret.bin").write_bytes(bytes(4))
    (tmp_path / "inner").mkdir()
    fails(BadModel, "inside the model's folder", tmp_path / "inner", layer, constants={"c": np.array(True)})


def test_deeply_nested_branches(tmp_path: Path) -> None:
    layer = node("Relu", "x", "y")
    for _ in range(10):
        layer = branching("c", layer, output="y")
    fails(UnsupportedModel, "nest at most", tmp_path, layer, constants={"c": np.array(True)})


def test_second_output_in_use(tmp_path: Path) -> None:
    nodes = [helper.make_node("BatchNormalization", ["x", "w", "w", "w", "w"], ["p", "i"], name="norm")]
    weights = {"w": np.ones(3, np.float32)}
    fails(UnsupportedModel, "norm.*outputs", tmp_path, *nodes, outputs=["p", "i"], constants=weights)


@pytest.mark.parametrize("opset", [5, 99])
def test_opset(opset: int, tmp_path: Path) -> None:
    fails(UnsupportedModel, f"opset {opset}", tmp_path, node("Relu", "x", "y"), opset=opset)


def test_input_type(tmp_path: Path) -> None:
    fails(UnsupportedModel, "'x'.*STRING", tmp_path, node("Relu", "x", "y"), input_type=TensorProto.STRING)


def test_dynamic_axes_ask_for_shapes(tmp_path: Path) -> None:
    model = make_model([node("Relu", "x", "y")], ["n", 3, "h", "w"])
    with pytest.raises(BadUsage, match="--shape x=1,3,1,1"):
        import_model(model, tmp_path)
    with pytest.raises(BadUsage, match="does not fit"):
        import_model(model, tmp_path, {"x": [1, 4, 5, 5]})
    with pytest.raises(BadUsage, match="inputs are x"):
        import_model(model, tmp_path, {"z": [1, 3, 5, 5], "x": [1, 3, 5, 5]})


def external(tmp_path: Path, location: str, **entries: str) -> Path:
    model = make_model([node("Conv", "x w", "y")], [1, 3, 4, 4], {"w": np.ones((2, 3, 1, 1), np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (folder / "w.bin").write_bytes(np.ones(6, np.float32).tobytes())
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    return save(model, folder)


def test_external_data(tmp_path: Path) -> None:
    assert import_onnx(external(tmp_path, "w.bin"), {}).nodes[1].input(1).array.sum() == 6.0
    assert import_onnx(external(tmp_path, "w.bin", offset="0", length="24"), {})


@pytest.mark.parametrize(
    ("location", "entries"),
    [
        ("../secret.bin", {}),
        ("sub/../../secret.bin", {}),
        ("/etc/passwd", {}),
        ("", {}),
        ("a\0b", {}),
        ("link.bin", {}),
        ("absent.bin", {}),
        ("w.bin", {"offset": "8"}),
        ("w.bin", {"offset": "-8"}),
        ("w.bin", {"length": "1000000000000"}),
        ("w.bin", {"length": "many"}),
    ],
)
def test_external_data_outside(location: str, entries: dict[str, str], tmp_path: Path) -> None:
    path = external(tmp_path, location, **entries)
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(BadModel, match="tensor 'w'"):
        import_onnx(path, {})


def test_tensor_data_and_shape_differ(tmp_path: Path) -> None:
    model = make_model([node("Conv", "x w", "y")], [1, 3, 4, 4], {"w": np.ones((2, 3, 1, 1), np.float32)})
    model.graph.initializer[0].dims[0] = 1 << 34
    with pytest.raises(BadModel, match="'w'"):
        import_model(model, tmp_path)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array(["a"], object), "w"))
    with pytest.raises(UnsupportedModel, match="'w' is STRING"):
        import_model(model, tmp_path)
