"""Convolutions, pooling, resizing, sampling and normalization in plain numbers, against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import edgekit.onnx_backend as backend
from edgekit.errors import UnsupportedModel
from edgekit.ops.supported import require_supported_graph
from edgekit.quant.affine import quantize_graph
from tests.importers.onnx.helpers import import_model, make_model, node

Array = npt.NDArray[Any]
RNG = np.random.default_rng(5)


def floats(*shape: int) -> Array:
    return RNG.normal(0, 1, shape).astype(np.float32)


def run_both(
    op: str, inputs: dict[str, Array], constants: dict[str, Array] | None = None, names: str | None = None,
    outputs: str = "y", opset: int = 20, **attrs: Any,
) -> None:  # fmt: skip
    """One operator on computed inputs and constants; `names` is the order of its operands, `-` an absent one."""
    given = names or " ".join([*inputs, *(constants or {})])
    graph = helper.make_graph(
        [node(op, given, outputs, **attrs)],
        "spatial",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in inputs.items()
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs.split()],
        [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    wanted = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)
    for got, want in zip(backend.prepare(model).run(inputs), wanted, strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(
    ("x", "w", "attrs"),
    [
        ((2, 4, 7, 6, 5), (6, 2, 3, 2, 1), {"group": 2, "strides": [2, 1, 1], "pads": [1, 0, 0, 2, 1, 0]}),
        ((1, 3, 9, 8), (4, 3, 3, 3), {"strides": [2, 1], "auto_pad": "SAME_LOWER"}),
        ((1, 3, 11), (5, 3, 4), {"strides": [3], "auto_pad": "SAME_UPPER"}),
        ((1, 4, 5, 5, 5), (4, 1, 2, 2, 2), {"group": 4, "auto_pad": "VALID"}),
    ],
)
def test_conv(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, Any], constant: bool) -> None:
    inputs, weights = {"x": floats(*x)}, {"w": floats(*w), "b": floats(w[0])}
    run_both("Conv", inputs if constant else inputs | weights, weights if constant else None, **attrs)


def test_conv_with_constant_weights_and_computed_bias() -> None:
    run_both("Conv", {"x": floats(1, 3, 5, 5), "b": floats(4)}, {"w": floats(4, 3, 3, 3)}, "x w b")


@pytest.mark.parametrize(
    ("x", "w", "attrs"),
    [
        ((2, 4, 5), (4, 3, 3), {"strides": [2], "output_padding": [1]}),
        ((1, 4, 3, 4), (4, 2, 3, 2), {"group": 2, "strides": [2, 3], "pads": [1, 0, 1, 1], "dilations": [2, 1]}),
        ((1, 2, 3, 3), (2, 3, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((1, 2, 3, 3), (2, 3, 3, 3), {"strides": [3, 2], "output_shape": [10, 8]}),
        ((1, 2, 2, 3, 4), (2, 3, 2, 2, 3), {"strides": [1, 2, 2], "pads": [0, 1, 1, 1, 0, 0]}),
    ],
)
def test_conv_transpose(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, Any]) -> None:
    outputs = w[1] * attrs.get("group", 1)
    run_both("ConvTranspose", {"x": floats(*x)}, {"w": floats(*w), "b": floats(outputs)}, **attrs)


@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("shape", [(2, 3, 11), (1, 2, 7, 8), (1, 2, 6, 5, 7)])
def test_pooling(shape: tuple[int, ...], ceil: int) -> None:
    axes = len(shape) - 2
    attrs: dict[str, Any] = {
        "kernel_shape": [3] * axes,
        "strides": [2] * axes,
        "pads": [1] * 2 * axes,
        "ceil_mode": ceil,
    }
    x = {"x": floats(*shape)}
    run_both("MaxPool", x, **attrs, dilations=[1] * axes)
    run_both("MaxPool", x, outputs="y i", **attrs)
    run_both("AveragePool", x, **attrs, count_include_pad=ceil)
    run_both("LpPool", x, **attrs, p=3, opset=18)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_max_pool_of_bytes(dtype: type) -> None:
    info = np.iinfo(dtype)
    x = RNG.integers(info.min, info.max + 1, (1, 3, 6, 6)).astype(dtype)
    run_both("MaxPool", {"x": x}, kernel_shape=[2, 3], strides=[2, 2], pads=[0, 1, 0, 1])


def test_column_major_positions_and_unpooling() -> None:
    run_both("MaxPool", {"x": floats(2, 3, 6, 8)}, outputs="y i", kernel_shape=[2, 2], strides=[2, 2], storage_order=1)
    places = np.array([[[[5, 7], [13, 15]]]], np.int64)
    run_both("MaxUnpool", {"x": floats(1, 1, 2, 2), "i": places}, kernel_shape=[2, 2], strides=[2, 2])


@pytest.mark.parametrize("op", ["GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"])
@pytest.mark.parametrize("shape", [(2, 3, 11), (1, 2, 7, 8), (1, 2, 6, 5, 7)])
def test_global_pooling(op: str, shape: tuple[int, ...]) -> None:
    run_both(op, {"x": floats(*shape)})


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn(size: int) -> None:
    run_both("LRN", {"x": floats(2, 7, 3, 4)}, size=size, alpha=0.3, beta=0.6, bias=1.5)


@pytest.mark.parametrize("computed", [True, False])
def test_normalizations(computed: bool) -> None:
    def one(op: str, x: Array, operands: dict[str, Array], **attrs: Any) -> None:
        run_both(op, {"x": x} | (operands if computed else {}), None if computed else operands, **attrs)

    one("InstanceNormalization", floats(2, 3, 5, 4), {"s": floats(3), "b": floats(3)}, epsilon=1e-3)
    one("LayerNormalization", floats(2, 3, 5, 4), {"s": floats(5, 4), "b": floats(5, 4)}, axis=2)
    one("LayerNormalization", floats(2, 7), {"s": floats(7)})
    run_both("LpNormalization", {"x": np.abs(floats(2, 3, 4))}, axis=1, p=2)
    run_both("MeanVarianceNormalization", {"x": floats(2, 3, 4, 5)}, opset=13)


@pytest.mark.parametrize("where", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("sizes", [(1, 2, 9, 4), (1, 2, 3, 15)])
def test_resize(where: str, sizes: tuple[int, ...]) -> None:
    x, constants = {"x": floats(1, 2, 6, 5)}, {"z": np.array(sizes, np.int64)}
    common = {"coordinate_transformation_mode": where}
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        run_both("Resize", x, constants, "x - - z", opset=19, mode="nearest", nearest_mode=rounding, **common)
    run_both("Resize", x, constants, "x - - z", opset=19, mode="linear", **common)
    run_both("Resize", x, constants, "x - - z", opset=19, mode="cubic", exclude_outside=1, **common)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_resize_antialiased(mode: str) -> None:
    constants = {"z": np.array((1, 1, 3, 4), np.int64)}
    run_both(
        "Resize", {"x": floats(1, 1, 11, 9)}, constants, "x - - z", opset=19, mode=mode, antialias=1, exclude_outside=1
    )


def test_resize_region_and_other_ranks() -> None:
    constants = {"r": np.array([0, 0, 0.2, -0.4, 1, 1, 0.7, 1.6], np.float32), "z": np.array((1, 1, 3, 5), np.int64)}
    crop = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0}
    run_both("Resize", {"x": floats(1, 1, 4, 4)}, constants, "x r - z", opset=19, mode="linear", **crop)
    scales = {"s": np.array((1, 1, 2, 0.5, 1.5), np.float32)}
    run_both("Resize", {"x": floats(1, 2, 3, 4, 5)}, scales, "x - s", opset=19, mode="linear")
    run_both("Upsample", {"x": floats(1, 2, 3, 4)}, {"s": np.array((1, 1, 1.5, 2), np.float32)}, opset=9, mode="linear")


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_grid_sample(mode: str, padding: str) -> None:
    inputs = {"x": floats(2, 3, 5, 6), "g": RNG.uniform(-1.4, 1.4, (2, 4, 3, 2)).astype(np.float32)}
    for aligned in (0, 1):
        run_both("GridSample", inputs, mode=mode, padding_mode=padding, align_corners=aligned)


@pytest.mark.parametrize("aligned", [0, 1])
def test_affine_grid(aligned: int) -> None:
    run_both("AffineGrid", {"t": floats(2, 2, 3)}, {"z": np.array((2, 3, 4, 5), np.int64)}, align_corners=aligned)
    run_both("AffineGrid", {"t": floats(2, 3, 4)}, {"z": np.array((2, 3, 2, 4, 5), np.int64)}, align_corners=aligned)


@pytest.mark.parametrize("samples", [0, 2])
def test_roi_align(samples: int) -> None:
    regions = RNG.uniform(0, 8, (5, 4)).astype(np.float32)
    regions[:, 2:] += regions[:, :2]
    inputs = {"x": floats(2, 3, 9, 8), "r": regions, "i": np.array([0, 1, 1, 0, 1], np.int64)}
    run_both("RoiAlign", inputs, output_height=2, output_width=3, sampling_ratio=samples, spatial_scale=0.5)


def test_col2im() -> None:
    constants = {"image": np.array((6, 5), np.int64), "block": np.array((2, 3), np.int64)}
    run_both("Col2Im", {"x": floats(2, 12, 25)}, constants, pads=[1, 0, 0, 2], dilations=[2, 1], opset=18)


def test_integer_convolutions() -> None:
    x, w = RNG.integers(0, 256, (2, 3, 7, 6)).astype(np.uint8), RNG.integers(-128, 128, (4, 3, 3, 2)).astype(np.int8)
    zeros = {"xz": np.array(37, np.uint8), "wz": np.array([1, -2, 0, 5], np.int8)}
    run_both("ConvInteger", {"x": x}, {"w": w, "xz": zeros["xz"], "wz": np.array(3, np.int8)}, pads=[1, 1, 0, 1])
    constants = {
        "xs": np.array(0.02, np.float32), "xz": zeros["xz"], "w": w,
        "ws": np.array([0.01, 0.02, 0.015, 0.03], np.float32), "wz": np.zeros(4, np.int8),
        "ys": np.array(0.4, np.float32), "yz": np.array(101, np.uint8),
        "b": RNG.integers(-900, 900, 4).astype(np.int32),
    }  # fmt: skip
    # Smaller weights: onnxruntime saturates pairs of products to 16 bits on some processors.
    run_both("QLinearConv", {"x": x}, constants | {"w": w // 2}, strides=[2, 1])


def test_no_quantized_form(tmp_path: Path) -> None:
    """Quantizing such a layer is refused by its name, not computed some other way."""
    layer, shape = node("ConvTranspose", "x w", "y", group=2), [1, 2, 4, 4]
    graph = import_model(make_model([layer], shape, {"w": floats(2, 3, 2, 2)}), tmp_path)
    with pytest.raises(UnsupportedModel, match=r"'ConvTranspose_y' .* constant weights, without groups"):
        require_supported_graph(quantize_graph(graph, [[floats(*shape)] for _ in range(4)], "minmax"))
