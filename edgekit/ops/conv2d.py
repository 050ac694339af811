"""conv2d: 2-D convolution of NHWC activations with OHWI weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.coded_cases import coded_cases, grouped_cases, zeroless_cases
from edgekit.ops.matmul import ordered_matmul
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, single_node_graph
from edgekit.ops.tflite_fixed import multiply_int64, multiply_wide
from edgekit.ops.window import patches, window_of


def constant_weights(node: Node) -> bool:
    """weights and bias must be constants."""
    bias = node.optional_input(2)
    return node.input(1).is_constant and (bias is None or bias.is_constant)


def symmetric_or_per_tensor(node: Node) -> bool:
    """weights must be symmetric (zero point 0), or quantized per tensor."""
    quant = node.input(1).quant
    return quant is None or quant.is_per_tensor or not any(quant.zero_point)


def one_type(node: Node) -> bool:
    """operands must be float32, int8 codes (int32 bias), or int16 codes with int8 weights (int64 bias)."""
    bias, kind, weights = node.optional_input(2), node.input(0).dtype, node.input(1)
    types = {
        DType.FLOAT32: (DType.FLOAT32, DType.FLOAT32),
        DType.INT8: (DType.INT8, DType.INT32),
        DType.INT16: (DType.INT8, DType.INT64),
    }
    if kind not in types or node.output.dtype is not kind:
        return False
    quants = (node.input(0).quant, weights.quant, node.output.quant)
    if kind is not DType.FLOAT32 and None in quants:
        return False
    if kind is DType.INT16 and any(any(q.zero_point) for q in quants if q is not None):
        return False
    return weights.dtype is types[kind][0] and (bias is None or bias.dtype is types[kind][1])


def channels_match(node: Node) -> bool:
    """bias and per-channel scales must have one entry per output channel, scales along the output channel's axis."""
    bias, quant, channels = node.optional_input(2), node.input(1).quant, node.output.shape[-1]
    scales = quant is None or quant.is_per_tensor or (quant.axis == channel_axis(node) and len(quant.scale) == channels)
    return scales and (bias is None or bias.shape == (channels,))


def levels_match(node: Node) -> bool:
    """weights of fewer than 8 bits must have levels for each group of output channels."""
    quant = node.input(1).quant
    return quant is None or quant.codebook is None or quant.codebook.fits(node.output.shape[-1])


def moderate_scale_of_int16(node: Node) -> bool:
    """scales of int16 activations times those of weights must be within 2**-31 and 2**7 of the output's."""
    if node.output.dtype is not DType.INT16 or not one_type(node):
        return True
    shifts = fp.product_multipliers(node.input(0), node.input(1), node.output, False)[1]
    return bool((shifts <= 7).all() and (shifts >= -31).all())


# Operators of one activation, constant weights and a bias, which become int8 weights and an int32 bias.
PRODUCT_OPS = ("conv2d", "depthwise_conv2d", "fully_connected", "transpose_conv2d", "conv")


def is_product(node: Node) -> bool:
    """Whether a node is one of them; a convolution with computed weights has no form on codes."""
    return node.op in PRODUCT_OPS and constant_weights(node)


# What the kernels of coded weights take at a time: rows of weights are padded to it, with the code of zero.
CODES_AT_ONCE = 16


def can_lack_zero(node: Node) -> bool:
    """Whether codes that have none for zero can be the product's weights: rows of them are not padded."""
    dense = node.op == "fully_connected" or (node.op == "conv2d" and groups_of(node) == 1)
    return not dense or node.input(1).elements // node.output.shape[-1] % CODES_AT_ONCE == 0


PRODUCT_CONSTRAINTS: tuple[Constraint, ...] = (
    constant_weights,
    one_type,
    channels_match,
    levels_match,
    symmetric_or_per_tensor,
    moderate_scale_of_int16,
)


def channel_axis(node: Node) -> int:
    """The axis of a product's weights along which its output channels lie."""
    return 2 if node.op == "depthwise_conv2d" else 0


def weight_codes(node: Node) -> Array:
    """Weights minus their zero point, as float64, so that matrix products of them are exact integers below 2**53."""
    weights = node.input(1)
    zero = weights.quant.zero_point[0] if weights.quant is not None and weights.quant.is_per_tensor else 0
    return weights.array.astype(np.float64) - zero


def bias_or_zero(node: Node) -> Array | int:
    """The bias as an array, or 0 where there is none."""
    bias = node.optional_input(2)
    return 0 if bias is None else bias.array


def product_requantize(node: Node, acc: Array) -> Array:
    """Codes of accumulators whose last axis is the output channel.

    int16 activations have 64-bit accumulators; fully connected layers multiply them in full, others by the
    multipliers' upper halves. For int8, attr double_rounding: TFLite's two rounding steps, as its convolutions have;
    otherwise one, as its fully connected layers and edgekit's own quantizer have. attr single_precision_scale: see
    `product_multipliers`.
    """
    y = node.output
    double = bool(node.attrs.get("double_rounding"))
    scales = fp.product_multipliers(node.input(0), node.input(1), y, bool(node.attrs.get("single_precision_scale")))
    span = fp.output_range(node.attrs.get("activation", "none"), y)
    if y.dtype is DType.INT16:
        scaled = (multiply_wide if node.op == "fully_connected" else multiply_int64)(acc, *scales)
        return np.clip(scaled, *span).astype(np.int16)
    codes = fp.requantize(acc, scales, fp.single_quant(y)[1], span, double)
    return codes.astype(y.dtype.numpy)


class Conv2D(OpSpec):
    """Inputs x [N,H,W,I], w [O,KH,KW,I/G], optional b [O]; attrs stride, padding, dilation, activation, groups (1)."""

    name = "conv2d"
    summary = "2-D convolution in groups, float32 or int8, per-channel, per-tensor or coded weights, fused activation"
    onnx = ("Conv",)
    tflite = ("CONV_2D", "LOCAL_RESPONSE_NORMALIZATION")
    rewrite = "export with constant weights"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return PRODUCT_CONSTRAINTS

    def infer(self, node: Node) -> list[Shape]:
        w, groups = node.input(1).shape, groups_of(node)
        if len(w) != 4 or len(node.input(0).shape) != 4 or w[3] * groups != node.input(0).shape[3] or w[0] % groups:
            raise bad_shape(node, f"weights must be [O,KH,KW,I] with I the input's channels, of {groups} groups")
        window = window_of(node, (w[1], w[2]))
        return [(node.input(0).shape[0], *window.output, w[0])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self._float(node, inputs, ordered_matmul)

    def estimate(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self._float(node, inputs, lambda x, w: x @ w.T)

    def _float(
        self, node: Node, inputs: Sequence[Array | None], product: Callable[[Array, Array], Array]
    ) -> list[Array]:
        x, w, b = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
        assert x is not None and w is not None
        y = _grouped(node, x, w, product)
        return [fp.clamp_float(node.attrs["activation"], y if b is None else y + b)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        w = weight_codes(node)
        zero = fp.single_quant(node.input(0))[1]
        acc = _grouped(node, x.astype(np.float64) - zero, w, lambda x, w: x @ w.T)
        return [product_requantize(node, acc.astype(np.int64) + bias_or_zero(node))]

    def macs(self, node: Node) -> int:
        o, kh, kw, i = node.input(1).shape
        return int(np.prod(node.output.shape[:3])) * o * kh * kw * i

    def cases(self) -> Iterable[Case]:
        shapes = [
            # h, w, cin, cout, kh, kw, stride, padding, dilation, activation
            (5, 5, 3, 4, 3, 3, (1, 1), (1, 1, 1, 1), (1, 1), "relu"),
            (8, 6, 4, 6, 1, 1, (1, 1), (0, 0, 0, 0), (1, 1), "none"),
            (7, 9, 16, 8, 3, 3, (2, 2), (0, 0, 1, 1), (1, 1), "relu6"),
            (9, 7, 5, 7, 3, 2, (1, 2), (1, 0, 1, 1), (2, 2), "none"),
            (6, 6, 8, 5, 1, 1, (2, 2), (0, 0, 0, 0), (1, 1), "relu"),
            (1, 20, 2, 3, 1, 5, (1, 1), (0, 2, 0, 2), (1, 1), "none"),
            (3, 3, 1, 1, 3, 3, (1, 1), (0, 0, 0, 0), (1, 1), "none"),
            (11, 13, 3, 9, 5, 5, (3, 2), (2, 2, 2, 2), (1, 1), "none"),
        ]
        for index, (h, w, cin, cout, kh, kw, stride, padding, dilation, activation) in enumerate(shapes):
            for zero_w in (0, 11):
                rng = np.random.default_rng(100 + index)
                attrs: dict[str, object] = {
                    "stride": stride,
                    "padding": padding,
                    "dilation": dilation,
                    "activation": activation,
                }
                yield product_case(
                    self, f"c{index}_zw{zero_w}", rng, (1, h, w, cin), (cout, kh, kw, cin), 0, zero_w, attrs
                )
        grouped: dict[str, object] = {
            "stride": (1, 2), "padding": (1, 1, 1, 1), "dilation": (1, 1), "activation": "relu", "groups": 3
        }  # fmt: skip
        for zero_w in (0, 11):
            yield product_case(
                self, f"groups_zw{zero_w}", np.random.default_rng(160), (1, 5, 7, 6), (9, 3, 3, 2), 0, zero_w, grouped
            )
        batch: dict[str, object] = {**grouped, "groups": 1}
        yield product_case(self, "batch", np.random.default_rng(170), (3, 5, 4, 6), (5, 3, 3, 6), 0, 0, batch)
        yield float_product_case(self, "f32", (2, 5, 7, 6), (11, 3, 3, 6), batch)
        yield float_product_case(self, "f32_groups", (1, 5, 7, 6), (9, 3, 2, 2), grouped)
        yield self._dead_channel_case()
        yield from self._tiled_cases({**batch, "activation": "none", "double_rounding": True})
        yield from self._vector_cases({**batch, "activation": "none"})
        yield from self._coded_cases({**batch, "activation": "none"})
        rng = np.random.default_rng(175)
        yield product_case(self, "s16", rng, (2, 5, 7, 6), (11, 3, 3, 6), 0, 0, batch, DType.INT16)
        yield product_case(self, "s16_groups", rng, (1, 5, 7, 6), (9, 3, 2, 2), 0, 0, grouped, DType.INT16)

    def _tiled_cases(self, attrs: dict[str, object]) -> Iterable[Case]:
        """Shapes at the edges of the DSP kernels' tiles."""
        shapes: list[tuple[Shape, Shape]] = [
            ((1, 5, 5, 12), (7, 1, 1, 12)), ((1, 4, 6, 36), (10, 1, 1, 36)), ((1, 6, 7, 3), (9, 3, 3, 3)),
            ((1, 1, 7, 5), (1, 1, 3, 5)), ((1, 7, 3, 32), (12, 3, 3, 32)),
        ]  # fmt: skip
        for index, (x, w) in enumerate(shapes):
            rng = np.random.default_rng(176 + index)
            pointwise: dict[str, object] = {"padding": (0, 0, 0, 0)} if w[1:3] == (1, 1) else {}
            yield product_case(self, f"tiled_{index}", rng, x, w, 0, 0, {**attrs, **pointwise})

    def _coded_cases(self, attrs: dict[str, object]) -> Iterable[Case]:
        """Odd numbers of channels and inputs, several tiles, one pixel; and groups."""
        windows: list[tuple[Shape, Shape]] = [
            ((1, 5, 5, 3), (7, 3, 3, 3)), ((2, 4, 5, 6), (9, 3, 3, 6)), ((1, 6, 4, 16), (16, 3, 3, 16)),
        ]  # fmt: skip
        pixels: list[tuple[Shape, Shape]] = [
            ((1, 3, 5, 13), (11, 1, 1, 13)), ((1, 4, 4, 32), (20, 1, 1, 32)), ((1, 1, 1, 8), (5, 1, 1, 8)),
        ]  # fmt: skip
        yield from coded_cases(self, windows, 0, attrs, 400)
        yield from grouped_cases(self, windows, 0, attrs, 450)
        whole: list[tuple[Shape, Shape]] = [((1, 6, 4, 16), (16, 3, 3, 16)), ((2, 4, 5, 4), (7, 2, 2, 4))]
        yield from zeroless_cases(self, whole, 0, attrs, 470)
        pointwise = {**attrs, "stride": (1, 1), "padding": (0, 0, 0, 0)}
        apart: list[tuple[Shape, Shape]] = [((1, 5, 7, 6), (9, 3, 3, 2))]
        lines: list[tuple[Shape, Shape]] = [
            ((1, 4, 4, 32), (20, 1, 1, 32)), ((1, 3, 5, 16), (11, 1, 1, 16)), ((1, 1, 1, 48), (5, 1, 1, 48)),
        ]  # fmt: skip
        for coded, dense in ((coded_cases, pixels), (grouped_cases, pixels), (zeroless_cases, lines)):
            for case in coded(self, dense, 0, pointwise, 600):
                yield Case(f"pixels_{case.name}", case.graph, case.inputs)
            for case in coded(self, apart, 0, {**attrs, "groups": 3}, 800):
                yield Case(f"groups_{case.name}", case.graph, case.inputs)

    def _vector_cases(self, attrs: dict[str, object]) -> Iterable[Case]:
        """One to six times sixteen inputs, whole and not, channels beside fours, and results that are halves."""
        shapes: list[tuple[Shape, Shape]] = [
            ((1, 3, 5, 16), (6, 1, 1, 16)), ((1, 2, 3, 32), (4, 1, 1, 32)), ((1, 2, 2, 48), (3, 1, 1, 48)),
            ((1, 3, 2, 80), (9, 1, 1, 80)), ((1, 4, 3, 10), (8, 3, 3, 10)), ((1, 3, 3, 24), (5, 1, 1, 24)),
        ]  # fmt: skip
        for index, (x, w) in enumerate(shapes):
            for double in (False, True):
                rng = np.random.default_rng(185 + index)
                own: dict[str, object] = {**attrs, "stride": (1, 1), "double_rounding": double}
                own |= {"padding": (0, 0, 0, 0)} if w[1:3] == (1, 1) else {}
                yield product_case(self, f"vectors_{index}_{int(double)}", rng, x, w, 0, 0, own)
                if index < 2:
                    yield halves_case(self, f"halves_{index}_{int(double)}", rng, x, w, 0, own)

    def _dead_channel_case(self) -> Case:
        """Trained models hold channels without weights whose bias alone would overflow the kernels' shifts."""
        attrs: dict[str, object] = {
            "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": "relu", "double_rounding": True
        }  # fmt: skip
        rng = np.random.default_rng(150)
        case = product_case(self, "dead_channel", rng, (1, 4, 4, 4), (4, 1, 1, 4), 0, 0, attrs)
        node = case.graph.nodes[0]
        weights, bias = node.input(1).array, node.input(2).array
        weights[:2] = 0
        bias[:2] = 1 << 30, -(1 << 30)
        return case


def groups_of(node: Node) -> int:
    """Attribute groups, 1 where it is absent."""
    return int(node.attrs.get("groups", 1))


def _grouped(node: Node, x: Array, w: Array, product: Callable[[Array, Array], Array]) -> Array:
    """Accumulators [N,OH,OW,O]; `product` multiplies [..,K] with [O,K]."""
    columns = patches(x, window_of(node, w.shape[1:3]), 0.0)
    groups, rows = groups_of(node), w.reshape(w.shape[0], -1)
    depth, outputs = w.shape[3], w.shape[0] // groups
    parts = []
    for g in range(groups):
        taken = columns[..., g * depth : (g + 1) * depth].reshape(*columns.shape[:3], -1)
        parts.append(product(taken, rows[g * outputs : (g + 1) * outputs]))
    return parts[0] if groups == 1 else np.concatenate(parts, axis=-1)


def float_product_case(spec: OpSpec, name: str, x_shape: Shape, w_shape: Shape, attrs: dict[str, object]) -> Case:
    """A float32 case of a weighted operator, with a bias."""
    rng = np.random.default_rng(180)
    channels = w_shape[-1] if spec.name == "depthwise_conv2d" else w_shape[0]
    x = Value("x", x_shape, DType.FLOAT32)
    w = Value.constant("w", rng.normal(0, 1, w_shape).astype(np.float32))
    b = Value.constant("b", rng.normal(0, 1, channels).astype(np.float32))
    graph = single_node_graph(spec.name, [x, w, b], [Value("y", (), DType.FLOAT32)], dict(attrs))
    graph.outputs[0].shape = spec.infer(graph.nodes[0])[0]
    return Case(name, graph, ((rng.normal(0, 2, x_shape).astype(np.float32),),))


def product_case(
    spec: OpSpec,
    name: str,
    rng: np.random.Generator,
    x_shape: Shape,
    w_shape: Shape,
    channel_axis: int,
    zero_w: int,
    attrs: dict[str, object],
    dtype: DType = DType.INT8,
) -> Case:
    """A case of a weighted operator; per-channel scales where zero_w is 0, else per tensor with that zero point.

    int16 activations are symmetric, with int64 biases.
    """
    channels, wide = w_shape[channel_axis], dtype is DType.INT16
    x_scale = 0.05 / 256 if wide else 0.05
    x = Value("x", x_shape, dtype, QuantType.per_tensor(x_scale, 0 if wide else int(rng.integers(-128, 128))))
    codes = random_codes(rng, w_shape)
    if zero_w:
        quant = QuantType.per_tensor(0.02, zero_w)
        attrs = {**attrs, "single_precision_scale": True, "double_rounding": True}
    else:
        quant = QuantType(
            tuple(float(np.float32(s)) for s in rng.uniform(0.002, 0.04, channels)), (0,) * channels, channel_axis
        )
    w = Value.constant("w", codes, quant)
    bias = rng.integers(-20000, 20000, channels)
    b = Value.constant("b", (bias * 200).astype(np.int64) if wide else bias.astype(np.int32))
    fan_in = int(np.prod(w_shape)) // channels
    y_scale = 0.05 * 0.02 * 70 * 70 * max(1.0, fan_in**0.5) / 100
    y_quant = QuantType.per_tensor(y_scale / 256 if wide else y_scale, 0 if wide else int(rng.integers(-100, 100)))
    probe = single_node_graph(spec.name, [x, w, b], [Value("y", (), dtype, y_quant)], attrs)
    probe.nodes[0].output.shape = spec.infer(probe.nodes[0])[0]
    return Case(name, probe, tuple((random_codes(rng, x_shape, dtype),) for _ in range(2)))


def halves_case(
    spec: OpSpec,
    name: str,
    rng: np.random.Generator,
    x_shape: Shape,
    w_shape: Shape,
    channel_axis: int,
    attrs: dict[str, object],
) -> Case:
    """A case whose accumulators are eighths of codes: many are halves, of both signs, and some leave the codes."""
    case = product_case(spec, name, rng, x_shape, w_shape, channel_axis, 0, attrs)
    node = case.graph.nodes[0]
    node.input(1).array[...] = rng.integers(-2, 3, w_shape)
    node.input(2).array[...] = rng.integers(-100, 100, w_shape[channel_axis])
    channels = w_shape[channel_axis]
    node.input(0).quant = QuantType.per_tensor(0.25, int(rng.integers(-20, 20)))
    node.input(1).quant = QuantType((0.25,) * channels, (0,) * channels, channel_axis)
    node.output.quant = QuantType.per_tensor(0.5, int(rng.integers(-20, 20)))
    return case
