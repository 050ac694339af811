"""Every operator form against onnxruntime, before and after the passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from edgekit.importers.onnx.operators import TRANSLATORS
from edgekit.ops import OPS
from tests.importers.onnx.helpers import check_equal, make_model, node, save

Floats = npt.NDArray[np.float32]


def w(*shape: int) -> Floats:
    """Reproducible weights."""
    return np.random.default_rng(int(np.prod(shape))).normal(size=shape).astype(np.float32)


def ints(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


def one(
    op: str, shape: list[int], constants: dict[str, Any] | None = None, opset: int = 17, **attrs: Any
) -> onnx.ModelProto:
    """A model of one operator, whose constants are its further inputs."""
    names = " ".join(["x", *(constants or {})])
    return make_model([node(op, names, "y", **attrs)], shape, constants, opset)


IMAGE = [1, 3, 9, 11]
CONV_W = {"w": w(4, 3, 3, 3)}
SIMPLE: dict[str, onnx.ModelProto] = {
    "conv": one("Conv", IMAGE, CONV_W),
    "conv_bias_pads": one("Conv", IMAGE, {**CONV_W, "b": w(4)}, pads=[1, 0, 2, 1], strides=[2, 1]),
    "conv_dilated": one("Conv", IMAGE, CONV_W, dilations=[2, 3], pads=[2, 3, 2, 3], kernel_shape=[3, 3]),
    "conv_same_upper": one("Conv", IMAGE, CONV_W, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv_same_lower": one("Conv", [1, 3, 8, 8], CONV_W, auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv_valid": one("Conv", IMAGE, CONV_W, auto_pad="VALID"),
    "conv_depthwise": one("Conv", IMAGE, {"w": w(3, 1, 3, 3), "b": w(3)}, group=3, pads=[1, 1, 1, 1]),
    "conv_depthwise_multiplier": one("Conv", IMAGE, {"w": w(6, 1, 3, 2)}, group=3),
    "conv_one_channel": one("Conv", [1, 1, 6, 6], {"w": w(5, 1, 3, 3)}),
    "gemm": one("Gemm", [1, 6], {"w": w(6, 4), "b": w(4)}),
    "gemm_all": one("Gemm", [6, 2], {"w": w(4, 6), "b": w(1, 4)}, transA=1, transB=1, alpha=0.5, beta=2.0),
    "gemm_scalar_bias": one("Gemm", [1, 6], {"w": w(6, 4), "b": w(1)}),
    "gemm_full_bias": one("Gemm", [3, 6], {"w": w(6, 4), "b": w(3, 4)}),
    "gemm_column_bias": one("Gemm", [3, 6], {"w": w(6, 4), "b": w(3, 1)}),
    "gemm_no_bias": one("Gemm", [2, 6], {"w": w(6, 4)}, opset=13),
    "matmul": one("MatMul", [1, 6], {"w": w(6, 4)}),
    "matmul_3d": one("MatMul", [1, 5, 6], {"w": w(6, 4)}),
    "matmul_batched_weights": one("MatMul", [1, 5, 6], {"w": w(1, 6, 4)}),
    "add_channels": one("Add", IMAGE, {"b": w(3, 1, 1)}),
    "add_scalar": one("Add", IMAGE, {"b": w()}),
    "add_rows": one("Add", [2, 5], {"b": w(5)}),
    "add_columns": one("Add", [2, 5], {"b": w(2, 1)}),
    "add_full": one("Add", IMAGE, {"b": w(*IMAGE)}),
    "add_width": one("Add", IMAGE, {"b": w(11)}),
    "add_height": one("Add", IMAGE, {"b": w(9, 1)}),
    "add_3d_middle": one("Add", [1, 4, 5], {"b": w(4, 1)}),
    "sub": one("Sub", IMAGE, {"b": w(1, 3, 1, 1)}),
    "mul": one("Mul", IMAGE, {"b": w(1, 3, 1, 1)}),
    "mul_scalar": one("Mul", [2, 5], {"b": w(1)}),
    "div": one("Div", IMAGE, {"b": np.array([[2.0]], np.float32)}),
    "neg": one("Neg", [1, 7]),
    "relu": one("Relu", IMAGE),
    "clip_6": one("Clip", [1, 5], {"l": np.float32(0).reshape(()), "h": np.float32(6).reshape(())}),
    "clip_6_attributes": one("Clip", [1, 5], opset=7, min=0.0, max=6.0),
    "clip_relu": one("Clip", [1, 5], {"l": np.array(0, np.float32)}),
    "clip_nothing": make_model([node("Clip", "x", "c"), node("Relu", "c", "y")], [1, 5]),
    "sigmoid": one("Sigmoid", IMAGE),
    "tanh": one("Tanh", [2, 3]),
    "average_pool": one("AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 2]),
    "average_pool_pads": one("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "average_pool_zeros_count": one("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "average_pool_ceil": one("AveragePool", [1, 2, 8, 8], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "global_average_pool": one("GlobalAveragePool", IMAGE),
    "max_pool": one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2]),
    "max_pool_same": one("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "max_pool_ceil": one("MaxPool", [1, 2, 8, 7], kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    "max_pool_ceil_pads": one("MaxPool", [1, 2, 8, 7], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1,
                              pads=[1, 1, 1, 1]),
    "global_max_pool": one("GlobalMaxPool", IMAGE),
    "reduce_mean": one("ReduceMean", IMAGE, axes=[2, 3], opset=13),
    "reduce_mean_drop": one("ReduceMean", IMAGE, axes=[-1, -2], keepdims=0, opset=11),
    "reduce_mean_nhwc": one("ReduceMean", IMAGE, axes=[1, 2], keepdims=0, opset=13),
    "reduce_mean_input": one("ReduceMean", IMAGE, {"a": ints(2, 3)}, opset=18),
    "reduce_mean_3d": one("ReduceMean", [1, 5, 6], axes=[1], opset=13),
    "reduce_mean_3d_last": one("ReduceMean", [1, 5, 6], axes=[2], keepdims=0, opset=13),
    "batch_norm": one("BatchNormalization", IMAGE, {"s": w(3), "b": w(3), "m": w(3), "v": np.abs(w(3))}, epsilon=1e-3),
    "batch_norm_2d": one("BatchNormalization", [1, 5], {"s": w(5), "b": w(5), "m": w(5), "v": np.abs(w(5))}, opset=9),
    "batch_norm_3d": one("BatchNormalization", [1, 5, 4], {"s": w(5), "b": w(5), "m": w(5), "v": np.abs(w(5))}),
    "reshape": one("Reshape", IMAGE, {"s": ints(0, -1, 11)}),
    "flatten": one("Flatten", IMAGE, axis=2),
    "flatten_negative": one("Flatten", IMAGE, axis=-1),
    "squeeze": one("Squeeze", [1, 3, 1, 4], axes=[0], opset=11),
    "squeeze_all": one("Squeeze", [1, 3, 1, 4], opset=11),
    "squeeze_input": one("Squeeze", [1, 3, 1, 4], {"a": ints(-2)}),
    "unsqueeze": one("Unsqueeze", [3, 4], axes=[0, 3], opset=11),
    "unsqueeze_input": one("Unsqueeze", [3, 4], {"a": ints(-1)}),
    "transpose": one("Transpose", [1, 3, 4, 5], perm=[0, 2, 3, 1]),
    "transpose_default": one("Transpose", [3, 4]),
    "resize_scales": one("Resize", IMAGE, {"r": w(0), "s": np.array([1, 1, 2, 3], np.float32)},
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor", mode="nearest"),
    "resize_half_pixel": one("Resize", IMAGE, {"r": w(0), "s": np.array([1, 1, 3, 2], np.float32)}),
    "resize_10": one("Resize", IMAGE, {"s": np.array([1, 1, 2, 2], np.float32)}, opset=10),
    "upsample_9": one("Upsample", IMAGE, {"s": np.array([1, 1, 2, 2], np.float32)}, opset=9),
    "pad": one("Pad", IMAGE, {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    "pad_attribute": one("Pad", IMAGE, opset=7, pads=[0, 0, 1, 2, 0, 0, 3, 0]),
    "pad_axes": one("Pad", IMAGE, {"p": ints(1, 2, 3, 4), "z": np.zeros((), np.float32), "a": ints(3, 2)}, opset=18),
    "pad_nhwc": one("Pad", IMAGE, {"p": ints(0, 1, 2, 0, 0, 3, 0, 0)}),
    "cast": one("Cast", IMAGE, to=1),
    "upsample_7": one("Upsample", IMAGE, opset=7, scales=[1.0, 1.0, 2.0, 2.0]),
    "softmax": one("Softmax", [2, 5]),
    "softmax_axis_1": one("Softmax", [1, 3, 4, 5], axis=1),
    "softmax_old": one("Softmax", [1, 3, 4], opset=11),
    "softmax_old_axis_2": one("Softmax", [2, 3, 4], opset=11, axis=2),
    "softmax_old_axis_0": one("Softmax", [2, 3], opset=8, axis=0),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMPLE)
def test_operator(name: str, tmp_path: Path) -> None:
    check_equal(save(SIMPLE[name], tmp_path), scale=3.0)


def chain(*nodes: onnx.NodeProto, shape: list[int], opset: int = 17, **constants: Any) -> onnx.ModelProto:
    return make_model(nodes, shape, constants, opset)


CHAINS: dict[str, onnx.ModelProto] = {
    "residual": chain(
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r"),
        node("Conv", "r w2", "b", pads=[1, 1, 1, 1]), node("Add", "b r", "s"), node("Relu", "s", "y"),
        shape=IMAGE, w=w(4, 3, 3, 3), w2=w(4, 4, 3, 3),
    ),
    "concat": chain(
        node("Conv", "x w", "a"), node("Conv", "x v", "b"), node("Concat", "a b", "c", axis=1), node("Relu", "c", "y"),
        shape=IMAGE, w=w(4, 3, 1, 1), v=w(5, 3, 1, 1),
    ),
    "concat_negative_axis": chain(
        node("Relu", "x", "a"), node("Sigmoid", "x", "b"), node("Concat", "a b", "y", axis=-1), shape=[1, 2, 3],
    ),
    "flatten_to_gemm": chain(
        node("Conv", "x w", "a"), node("Relu", "a", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2]),
        node("Flatten", "p", "f"), node("Gemm", "f g b", "y"),
        shape=[1, 3, 6, 6], w=w(4, 3, 3, 3), g=w(36, 5), b=w(5),
    ),
    "shape_arithmetic": chain(
        node("Shape", "x", "s"), node("Gather", "s i", "n"), node("Unsqueeze", "n zero", "u"),
        node("Concat", "u m", "t", axis=0), node("Reshape", "x t", "y"),
        shape=IMAGE, i=np.array(0, np.int64), zero=ints(0), m=ints(-1),
    ),
    "constant_of_shape": chain(
        node("ConstantOfShape", "n", "c"), node("Cast", "one", "o", to=1), node("Add", "c o", "d"),
        node("Mul", "x d", "y"),
        shape=[1, 4], n=ints(4), one=ints(3),
    ),
    "slice_of_shape": chain(
        node("Shape", "x", "s"), node("Slice", "s a b", "t"), node("Mul", "t two", "m"), node("Div", "m two", "d"),
        node("Concat", "d minus", "c", axis=0), node("Reshape", "x c", "y"),
        shape=IMAGE, a=ints(0), b=ints(2), two=ints(2), minus=ints(-1),
    ),
    "normalised_input": chain(
        node("Sub", "x m", "a"), node("Div", "a s", "b"), node("Conv", "b w c", "y", pads=[1, 1, 1, 1]),
        shape=IMAGE, m=w(1, 3, 1, 1), s=np.abs(w(1, 3, 1, 1)) + 1, w=w(4, 3, 3, 3), c=w(4),
    ),
    "conv_bn_relu6": chain(
        node("Conv", "x w c", "a"), node("BatchNormalization", "a s b m v", "n"), node("Clip", "n lo hi", "y"),
        shape=IMAGE, w=w(4, 3, 3, 3), c=w(4), s=w(4), b=w(4), m=w(4), v=np.abs(w(4)), lo=np.array(0, np.float32),
        hi=np.array(6, np.float32),
    ),
    "gemm_bn": chain(
        node("MatMul", "x w", "a"), node("BatchNormalization", "a s b m v", "n"), node("Relu", "n", "y"),
        shape=[1, 6], w=w(6, 4), s=w(4), b=w(4), m=w(4), v=np.abs(w(4)),
    ),
    "head": chain(
        node("Conv", "x w", "a"), node("Reshape", "a s", "r"), node("Transpose", "r", "t", perm=[0, 2, 1]),
        node("Sigmoid", "t", "y"), shape=IMAGE, w=w(4, 3, 1, 1), s=ints(1, 4, -1),
    ),
    "transposed_weights": chain(
        node("Transpose", "w", "v", perm=[1, 0]), node("MatMul", "x v", "a"), node("Add", "a b", "y"),
        shape=[1, 6], w=w(4, 6), b=w(4),
    ),
    "dropout_identity": chain(
        node("Identity", "x", "i"), node("Dropout", "i", "d"), node("Relu", "d", "y"), shape=[1, 4],
    ),
    "pad_conv": chain(
        node("Pad", "x p", "q"), node("Conv", "q w", "y", pads=[1, 0, 0, 0], strides=[2, 2]),
        shape=IMAGE, p=ints(0, 0, 0, 1, 0, 0, 1, 1), w=w(4, 3, 3, 3),
    ),
    "shared_conv": chain(
        node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Sigmoid", "a", "c"), node("Add", "b c", "y"),
        shape=IMAGE, w=w(4, 3, 1, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_chain(name: str, tmp_path: Path) -> None:
    check_equal(save(CHAINS[name], tmp_path), scale=2.0)


def ops(name: str, tmp_path: Path) -> list[str]:
    return [n.op for n in check_equal(save(CHAINS[name], tmp_path)).nodes]


def test_chains_become_few_nodes(tmp_path: Path) -> None:
    assert ops("conv_bn_relu6", tmp_path) == ["transpose", "conv2d", "transpose"]
    assert ops("pad_conv", tmp_path) == ["transpose", "conv2d", "transpose"]
    assert ops("gemm_bn", tmp_path) == ["fully_connected"]
    assert ops("flatten_to_gemm", tmp_path) == ["transpose", "conv2d", "max_pool2d", "reshape", "fully_connected"]
    assert ops("residual", tmp_path) == ["transpose", "conv2d", "conv2d", "add", "transpose"]
    assert ops("concat", tmp_path) == ["transpose", "conv2d", "conv2d", "concat", "transpose"]
    assert ops("head", tmp_path) == ["transpose", "conv2d", "sigmoid", "reshape"]


def test_every_translated_operator_is_in_the_table_of_operators() -> None:
    documented = {name for spec in OPS for name in spec.onnx}
    assert set(TRANSLATORS) <= documented


def test_outputs_stay_distinct(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a"), node("Identity", "a", "b"), node("Identity", "x", "c"), node("Relu", "x", "d")]
    graph = check_equal(save(make_model(nodes, [1, 3], outputs=["a", "b", "c", "d"]), tmp_path))
    assert len(set(graph.outputs)) == 4


def test_dynamic_batch_is_one(tmp_path: Path) -> None:
    graph = check_equal(save(make_model([node("Relu", "x", "y")], ["N", 3]), tmp_path))
    assert graph.inputs[0].shape == (1, 3)


def test_given_shape(tmp_path: Path) -> None:
    path = save(make_model([node("GlobalMaxPool", "x", "y")], ["N", 3, "h", "w"]), tmp_path)
    assert check_equal(path, shapes={"x": [1, 3, 5, 4]}).inputs[0].shape == (1, 3, 5, 4)
