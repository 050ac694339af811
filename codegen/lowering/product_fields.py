"""The parameter structs of products on int8 codes."""

from __future__ import annotations

from edgekit.codegen.lowering.requantize import output_fields, zero_of_weights
from edgekit.codegen.program import Fields
from edgekit.ir import Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import groups_of


def conv_fields(node: Node, window: Fields) -> Fields:
    """The ek_conv_params struct."""
    return {
        "window": window,
        "input_zero": fp.single_quant(node.input(0))[1],
        "weight_zero": zero_of_weights(node),
        "groups": groups_of(node),
        "out": output_fields(node),
    }


def rows_as_pixels(node: Node, rows: int) -> Fields:
    """The ek_conv_params of a fully-connected layer: a 1x1 convolution of one row of pixels."""
    outputs, inputs = node.input(1).shape
    ones = ("out_h", "in_h", "kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w")
    window: Fields = {
        **dict.fromkeys(ones, 1), "in_w": rows, "out_w": rows, "in_c": inputs, "out_c": outputs,
        "pad_top": 0, "pad_left": 0,
    }  # fmt: skip
    return conv_fields(node, window)


def fully_connected_fields(node: Node, rows: int, inputs: int) -> Fields:
    """The ek_fully_connected_params of a layer over `rows` rows."""
    return {
        "rows": rows,
        "inputs": inputs,
        "outputs": node.output.shape[-1],
        "input_zero": fp.single_quant(node.input(0))[1],
        "weight_zero": zero_of_weights(node),
        "out": output_fields(node),
    }
