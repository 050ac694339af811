"""Small ONNX files that want far too much: cases for test_hostile_limits.py, each with what its error must say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.importers.onnx.helpers import make_model, node
from tests.importers.onnx.long_models import many_outputs, variadic

Case = tuple[Callable[[], onnx.ModelProto], str]
F32 = np.float32
GIB = 1 << 30


def _i64(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, np.int64)


def _one(op: str, inputs: str, constants: dict[str, Any] | None = None, **attrs: Any) -> onnx.ModelProto:
    """A model of one operator on x [1,4,8,8], with constants."""
    opset = attrs.pop("opset", 18)
    shape = attrs.pop("shape", [1, 4, 8, 8])
    return make_model([node(op, inputs, "y", **attrs)], shape, constants, opset)


def _doubling(op: str, times: int, constant: bool, **attrs: Any) -> onnx.ModelProto:
    """y = op applied again and again, each time twice as large."""
    nodes, name = [], "c" if constant else "x"
    for i in range(times):
        inputs = f"{name} r" if op == "Tile" else f"{name} {name}"
        nodes.append(node(op, inputs, f"t{i}", **attrs))
        name = f"t{i}"
    nodes.append(node("ReduceMax", name, "m", keepdims=0))
    nodes.append(node("Add", "x m", "y"))
    constants: dict[str, Any] = {"r": _i64(2)}
    if constant:
        constants["c"] = np.ones(1, F32)
    return make_model(nodes, [1], constants, 17)


def _many_expanded(count: int, size: int, op: str = "Expand") -> onnx.ModelProto:
    """Constants of `size` elements each, from one number, that are all read."""
    nodes, constants, name = [], {"s": _i64(size), "v": np.ones(1, F32)}, "x"
    for i in range(count):
        nodes.append(node(op, "s" if op == "ConstantOfShape" else "v s", f"c{i}"))
        nodes.append(node("ReduceMax", f"c{i}", f"m{i}", keepdims=0))
        nodes.append(node("Add", f"{name} m{i}", f"a{i}"))
        name = f"a{i}"
    nodes.append(node("Relu", name, "y"))
    return make_model(nodes, [1, 4], constants, 17)


def _outer(op: str, constant: bool) -> onnx.ModelProto:
    """[2^14, 1] by [1, 2^14]: 2^28 elements from 2^15."""
    n = 1 << 14
    column, row = np.ones((n, 1), F32), np.ones((1, n), F32)
    if constant:
        nodes = [node(op, "a b", "c"), node("ReduceMax", "c", "m", keepdims=0), node("Add", "x m", "y")]
        return make_model(nodes, [1], {"a": column, "b": row}, 17)
    return make_model([node(op, "x b", "y")], [n, 1], {"b": row}, 17)


def _wide_chain(count: int, shape: Sequence[int], op: str = "Relu") -> onnx.ModelProto:
    """Many values, each within the limit of one tensor."""
    nodes = [node(op, "x" if i == 0 else f"t{i - 1}", f"t{i}") for i in range(count)]
    return make_model([*nodes, node("Identity", f"t{count - 1}", "y")], shape, None, 17)


def _fan_of_sums(count: int) -> onnx.ModelProto:
    """All sums of x shifted, large and alive together."""
    nodes = [node("Add", f"x c{i}", f"t{i}") for i in range(count)]
    nodes.append(node("Sum", " ".join(f"t{i}" for i in range(count)), "y"))
    return make_model(nodes, [1, 1 << 22], {f"c{i}": np.array(i, F32) for i in range(count)}, 17)


def _heavy_convolutions(count: int) -> onnx.ModelProto:
    """Terabytes of arithmetic on modest tensors: the same weights again and again."""
    weights = np.ones((64, 64, 15, 15), F32)
    nodes = [node("Conv", f"{'x' if i == 0 else f't{i - 1}'} w", f"t{i}", pads=[7] * 4) for i in range(count)]
    return make_model([*nodes, node("Identity", f"t{count - 1}", "y")], [1, 64, 64, 64], {"w": weights}, 17)


def _nested_ifs(depth: int) -> onnx.ModelProto:
    """Subgraphs inside subgraphs."""
    out = [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    inner = helper.make_graph([node("Relu", "x", "z")], "g", [], out)
    for _ in range(depth):
        step = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner) if _ < 3 else None
        step = step or helper.make_node("If", ["c"], ["z"], then_branch=inner)
        inner = helper.make_graph([step], "g", [], out)
    nodes = [helper.make_node("If", ["c"], ["y"], name="outermost", then_branch=inner, else_branch=inner)]
    return make_model(nodes, [1], {"c": np.array(True)}, 17)


def _recursive_function() -> onnx.ModelProto:
    model = make_model([helper.make_node("F", ["x"], ["y"], name="calls", domain="own")], [1], None, 17)
    function = helper.make_function(
        "own", "F", ["a"], ["b"], [helper.make_node("F", ["a"], ["b"], domain="own")], [helper.make_opsetid("own", 1)]
    )
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def _tensor(dims: Sequence[int], data: bytes = b"") -> onnx.ModelProto:
    model = make_model([node("Add", "x w", "y")], [1], {"w": np.ones(1, F32)}, 17)
    tensor = model.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    tensor.raw_data = data
    return model


def _typed_bomb() -> onnx.ModelProto:
    """One byte of file per number: 8 M numbers that need 64 MB as an array, in 40 tensors that share nothing."""
    model = make_model([node("Add", "x w", "y")], [1], {"w": np.ones(1, F32)}, 17)
    tensor = TensorProto(name="w2", data_type=TensorProto.INT64, dims=[1 << 23], int64_data=[0] * (1 << 23))
    for i in range(3):
        copy = model.graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = f"w{i}"
    return model


def _reads_itself() -> onnx.ModelProto:
    return make_model([node("Add", "x y", "y")], [1], None, 17)


def _unknown_shape() -> onnx.ModelProto:
    model = make_model([node("Relu", "x", "y")], [1], None, 17)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


def _untyped() -> onnx.ModelProto:
    model = make_model([node("Relu", "x", "y")], [1], None, 17)
    model.graph.input[0].ClearField("type")
    return model


def _twice_in_initializers() -> onnx.ModelProto:
    model = make_model([node("Add", "x w", "y")], [1], {"w": np.ones(1, F32)}, 17)
    model.graph.initializer.append(model.graph.initializer[0])
    return model


def _input_twice() -> onnx.ModelProto:
    model = make_model([node("Relu", "x", "y")], [1], None, 17)
    model.graph.input.append(model.graph.input[0])
    return model


def _weights_written() -> onnx.ModelProto:
    return make_model([node("Relu", "x", "w"), node("Add", "w x", "y")], [1], {"w": np.ones(1, F32)}, 17)


STRUCTURE: dict[str, Case] = {
    "operands": (lambda: variadic("Concat", 1001, axis=1), "1001 inputs and 1 outputs, over the limit of 1000"),
    "outputs": (lambda: many_outputs(1001), "1 inputs and 1001 outputs, over the limit of 1000"),
    "reads_itself": (_reads_itself, "'Add_y'.*reads tensor 'y' before"),
    "unknown_shape": (_unknown_shape, "'x' has axes of unknown size"),
    "untyped_input": (_untyped, "'x'.*no tensor"),
    "initializer_twice": (_twice_in_initializers, "initializer 'w'"),
    "input_twice": (_input_twice, "model input"),
    "initializer_written": (_weights_written, "'w' is written twice"),
    "nested_ifs": (lambda: _nested_ifs(20), "outermost"),
    "recursive_function": (_recursive_function, "calls.*own.F"),
    "dims_2_40": (lambda: make_model([node("Relu", "x", "y")], [1, 1 << 40]), "'x'.*limit"),
    "dims_product_2_64": (lambda: make_model([node("Relu", "x", "y")], [1 << 32, 1 << 32]), "'x'.*limit"),
    "dims_negative": (lambda: make_model([node("Relu", "x", "y")], [1, -5]), "'x'"),
    "dims_zero": (lambda: make_model([node("Relu", "x", "y")], [1, 0, 1 << 62]), "'x'"),
    "rank_1000": (lambda: make_model([node("Relu", "x", "y")], [1] * 1000), "'x'"),
    "tensor_2_64": (lambda: _tensor([1 << 32, 1 << 32]), "'w'.*impossible shape"),
    "tensor_zero_by_2_62": (lambda: _tensor([0, 1 << 62, 4]), "'w'"),
    "tensor_short": (lambda: _tensor([1 << 20]), "'w' has 0 bytes"),
    "typed_bomb": (_typed_bomb, "."),
}

_WEIGHT = {"w": np.ones((4, 4, 1, 1), F32)}
_ROI = {"r": np.zeros(0, F32)}

ATTRIBUTES: dict[str, Case] = {
    "stride_2_40": (lambda: _one("Conv", "x w", _WEIGHT, strides=[1 << 40, 1]), "Conv_y.*strides"),
    "stride_zero": (lambda: _one("Conv", "x w", _WEIGHT, strides=[0, 1]), "Conv_y.*strides"),
    "dilation_negative": (lambda: _one("Conv", "x w", _WEIGHT, dilations=[-1, 1]), "Conv_y.*dilations"),
    "group_zero": (lambda: _one("Conv", "x w", _WEIGHT, group=0), "Conv_y"),
    "group_2_62": (lambda: _one("Conv", "x w", _WEIGHT, group=1 << 62), "Conv_y"),
    "pads_2_25": (lambda: _one("Conv", "x w", _WEIGHT, pads=[1 << 25] * 4), "Conv_y"),
    "pads_negative": (lambda: _one("Conv", "x w", _WEIGHT, pads=[-(1 << 40)] * 4), "Conv_y.*pads"),
    "kernel_2_20": (lambda: _one("MaxPool", "x", kernel_shape=[1 << 20, 1 << 20]), "MaxPool_y"),
    "axis_2_40": (lambda: _one("Softmax", "x", axis=1 << 40), "Softmax_y.*axis"),
    "perm": (lambda: _one("Transpose", "x", perm=[0] * 100_000), "Transpose_y"),
    "name_10_6": (lambda: _one("Conv", "x w", _WEIGHT, auto_pad="A" * 1_000_000), "Conv_y"),
    "block_2_20": (lambda: _one("DepthToSpace", "x", blocksize=1 << 20), "DepthToSpace_y"),
    "split_2_40": (lambda: _one("Split", "x", num_outputs=1 << 40), "Split_y"),
    "reshape_2_62": (lambda: _one("Reshape", "x s", {"s": _i64(1 << 62, 4)}), "Reshape_y"),
    "reshape_rank": (lambda: _one("Reshape", "x s", {"s": _i64(*[1] * 60, -1)}), "Reshape_y"),
    "reshape_zero": (lambda: _one("Reshape", "x s", {"s": _i64(0, 0, 0, 0, 0)}), "Reshape_y"),
    "slice_step": (
        lambda: _one("Slice", "x s e a t", {"s": _i64(0), "e": _i64(1), "a": _i64(0), "t": _i64(0)}),
        "Slice",
    ),
    "gather_outside": (lambda: _one("Gather", "x i", {"i": _i64(1 << 40)}), "Gather_y.*indices"),
    "diagonal_infinite": (lambda: _one("Trilu", "x k", {"k": np.array(np.inf, F32)}), "Trilu_y.*input 1.*whole"),
    "axis_not_a_number": (lambda: _one("CumSum", "x a", {"a": np.array(np.nan, F32)}), "CumSum_y.*input 1.*whole"),
    "depth_infinite": (
        lambda: _one("OneHot", "x d v", {"d": np.array(np.inf, F32), "v": np.array([0, 1], F32)}),
        "OneHot_y.*input 1.*whole",
    ),
    "pitch_infinite": (
        lambda: make_model(
            [
                node("MelWeightMatrix", "a a a d e", "w"),
                node("ReduceMax", "w", "m", keepdims=0),
                node("Add", "x m", "y"),
            ],
            [1],
            {"a": _i64(8), "d": np.zeros(1, F32), "e": np.full(1, np.inf, F32)},
        ),
        "MelWeightMatrix_w",
    ),
    "opset_attribute": (lambda: _one("Gemm", "x w", {"w": np.ones((8, 2), F32)}, alpha=float("nan")), "Gemm_y"),
}

BOMBS: dict[str, Case] = {
    "constant_of_shape": (lambda: _many_expanded(100, 1 << 26, "ConstantOfShape"), "limit|more than"),
    "constant_of_shape_small": (lambda: _many_expanded(1000, 1 << 22, "ConstantOfShape"), "limit|more than"),
    "expand": (lambda: _many_expanded(1, 1 << 40), "Expand_c0.*limit"),
    "expand_many": (lambda: _many_expanded(1000, 1 << 22), "limit|more than"),
    "expand_input": (lambda: _one("Expand", "x s", {"s": _i64(1 << 20, 1, 1, 1)}), "Expand_y.*over"),
    "tile_doubling_constant": (lambda: _doubling("Tile", 60, True), "Tile.*(limit|over|more than)"),
    "tile_doubling": (lambda: _doubling("Tile", 60, False), "Tile.*(limit|over)"),
    "concat_doubling_constant": (lambda: _doubling("Concat", 60, True, axis=0), "Concat.*(limit|over)"),
    "concat_doubling": (lambda: _doubling("Concat", 60, False, axis=0), "Concat.*(limit|over)"),
    "tile_2_40": (lambda: _one("Tile", "x r", {"r": _i64(1, 1, 1 << 20, 1 << 20)}), "Tile_y"),
    "pad_2_40": (lambda: _one("Pad", "x p", {"p": _i64(0, 0, 0, 0, 0, 0, 1 << 40, 0)}), "Pad_y"),
    "pad_edge": (lambda: _one("Pad", "x p", {"p": _i64(0, 0, 0, 0, 0, 0, 1 << 30, 0)}, mode="edge"), "Pad_y"),
    "pad_reflect": (lambda: _one("Pad", "x p", {"p": _i64(0, 0, 0, 0, 0, 0, 1 << 36, 0)}, mode="reflect"), "Pad_y"),
    "pad_crop_all": (lambda: _one("Pad", "x p", {"p": _i64(0, 0, 0, 0, 0, 0, -(1 << 40), 0)}), "Pad_y"),
    "resize": (lambda: _one("Resize", "x r s", _ROI | {"s": np.array([1, 1, 9999, 9999], F32)}), "Resize_y"),
    "resize_nan": (lambda: _one("Resize", "x r s", _ROI | {"s": np.array([1, 1, np.nan, 2], F32)}), "Resize_y"),
    "resize_linear": (
        lambda: _one("Resize", "x r s", _ROI | {"s": np.array([1, 1, 4096, 4096], F32)}, mode="linear"), "Resize_y",
    ),
    "range": (
        lambda: make_model([node("Range", "a b c", "r"), node("Add", "x r", "y")], [1],
                           {"a": np.array(0, np.int64), "b": np.array(1 << 40), "c": np.array(1, np.int64)}),
        "Range_r.*limit",
    ),
    "range_tiny_step": (
        lambda: make_model([node("Range", "a b c", "r"), node("Add", "x r", "y")], [1],
                           {"a": np.array(0, F32), "b": np.array(1, F32), "c": np.array(1e-38, F32)}),
        "Range_r",
    ),
    "range_nan": (
        lambda: make_model([node("Range", "a b c", "r"), node("Add", "x r", "y")], [1],
                           {"a": np.array(0, F32), "b": np.array(np.nan, F32), "c": np.array(1, F32)}),
        "Range_r",
    ),
    "outer_add_constant": (lambda: _outer("Add", True), "Add_c.*(limit|over)"),
    "outer_add": (lambda: _outer("Add", False), "Add_y.*over"),
    "outer_where": (
        lambda: make_model(
            [node("Where", "c a b", "w"), node("ReduceMax", "w", "m", keepdims=0), node("Add", "x m", "y")], [1],
            {"c": np.ones((1 << 14, 1), bool), "a": np.ones((1, 1 << 14), F32), "b": np.ones(1, F32)}),
        "Where_w.*(limit|over)",
    ),
    "outer_matmul_constant": (lambda: _outer("MatMul", True), "MatMul_c.*(limit|over)"),
    "outer_matmul": (lambda: _outer("MatMul", False), "MatMul_y.*over"),
    "one_hot": (
        lambda: _one("OneHot", "x d v", {"d": _i64(1 << 40), "v": np.array([0, 1], F32)}, shape=[4]), "OneHot_y",
    ),
    "hann_window": (
        lambda: make_model([node("HannWindow", "n", "w"), node("Add", "x w", "y")], [1],
                           {"n": np.array(1 << 40, np.int64)}),
        "HannWindow_w",
    ),
    "max_unpool": (
        lambda: make_model([node("MaxUnpool", "x i s", "y", kernel_shape=[2, 2], strides=[2, 2])], [1, 1, 2, 2],
                           {"i": np.zeros((1, 1, 2, 2), np.int64), "s": _i64(1, 1, 1 << 20, 1 << 20)}),
        "MaxUnpool_y",
    ),
    "conv_transpose": (lambda: _one("ConvTranspose", "x w", _WEIGHT, strides=[1 << 20, 1 << 20]), "ConvTranspose_y"),
    "einsum_large": (
        lambda: make_model([node("Einsum", "x x", "y", equation="a,b->ab")], [1 << 14], None, 17), "Einsum_y",
    ),
    "gather_twice": (
        lambda: make_model([node("Gather", "x i", "a"), node("Gather", "a i", "y", axis=1)], [1, 1],
                           {"i": np.zeros(1 << 16, np.int64)}),
        "Gather_y.*over",
    ),
    "mel_matrix": (
        lambda: make_model(
            [node("MelWeightMatrix", "a b c d e", "w"), node("ReduceMax", "w", "m", keepdims=0),
             node("Add", "x m", "y")], [1],
            {"a": np.array(1 << 30, np.int64), "b": np.array(1 << 30, np.int64), "c": np.array(8000, np.int64),
             "d": np.array(0, F32), "e": np.array(4000, F32)}),
        "MelWeightMatrix_w",
    ),
    "wide_relus": (lambda: _wide_chain(200, [1, 1 << 25]), "bytes of activations|has inputs of"),
    "wide_sigmoids": (lambda: _wide_chain(30, [1, 1 << 24], "Sigmoid"), "bytes of activations|has inputs of"),
    "fan_of_sums": (lambda: _fan_of_sums(60), "more than.*bytes"),
    "heavy_convolutions": (lambda: _heavy_convolutions(100), "operations"),
    "large_window": (
        lambda: _one("MaxPool", "x", kernel_shape=[999, 999], pads=[998] * 4, shape=[1, 1, 999, 999]), "MaxPool_y",
    ),
    "large_mean_window": (
        lambda: _one("AveragePool", "x", kernel_shape=[999, 999], pads=[998] * 4, shape=[1, 1, 999, 999]),
        "AveragePool",
    ),
    "dft": (lambda: _one("DFT", "x", axis=1, shape=[1, 1 << 16, 1]), "DFT_y"),
    "dft_table": (lambda: _one("DFT", "x", axis=1, shape=[1, 5000, 1]), "DFT_y.*constants"),
    "stft_frames": (
        lambda: _one("STFT", "x s - n", {"s": _i64(1), "n": _i64(50_000)}, shape=[1, 100_000, 1]),
        "STFT_y.*constants",
    ),
    "one_hot_line": (
        lambda: _one("OneHot", "x d v", {"d": _i64(1 << 27), "v": np.array([0, 1], F32)}, shape=[1]),
        "OneHot_y.*constants",
    ),
    "mel_matrix_in_memory": (
        lambda: make_model(
            [node("MelWeightMatrix", "a b c d e", "w"), node("ReduceMax", "w", "m", keepdims=0),
             node("Add", "x m", "y")], [1],
            {"a": _i64(1 << 13), "b": _i64(1 << 13), "c": _i64(8000), "d": np.zeros(1, F32), "e": np.ones(1, F32)}),
        "MelWeightMatrix_w.*constants",
    ),
    "matmul_square": (
        lambda: make_model([node("MatMul", "x x", "y")], [1 << 13, 1 << 13], None, 17), "has inputs of",
    ),
    "cumulative_product": (lambda: _wide_chain(40, [1, 1 << 24], "Softmax"), "bytes of activations|has inputs of"),
}  # fmt: skip

NASTY_NAMES = (
    '"; #include "/etc/passwd"\n', "../../../tmp/escape", "int", "volatile", "*/ evil() /*", "a\0b", "\x1b[2J", "%s%n",
    "名前", "' OR 1=1 --", "<script>alert(1)</script>", "x" * 5000, "${jndi}", "{{ 7*7 }}", "\\", "\u202e",
)  # fmt: skip


def nasty_names() -> onnx.ModelProto:
    """A sound model whose every name is hostile."""
    rng = np.random.default_rng(0)
    names = iter(NASTY_NAMES)
    x, w, a, b, c = (next(names) for _ in range(5))
    y = next(names)
    nodes = [
        helper.make_node("Conv", [x, w], [a], name=next(names), pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [a], [b], name=next(names)),
        helper.make_node("MaxPool", [b], [c], name=next(names), kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Sigmoid", [c], [y], name=next(names)),
    ]
    graph = helper.make_graph(
        nodes, next(names), [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 2, 4, 4])],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(rng.normal(size=(3, 2, 3, 3)).astype(F32), w)], doc_string=next(names),
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
