"""Operator specs. `OPS` is the ordered list of all of them; there is no other registration."""

from __future__ import annotations

from edgekit.errors import InternalError
from edgekit.ops.arithmetic import ARITHMETIC_OPS
from edgekit.ops.binary import PLAIN_BINARY_OPS
from edgekit.ops.col2im import Col2Im
from edgekit.ops.concat import Concat
from edgekit.ops.conv import Conv, ConvTranspose
from edgekit.ops.conv2d import Conv2D
from edgekit.ops.cumulate import CUMULATE_OPS
from edgekit.ops.deform_conv import DeformConv
from edgekit.ops.depthwise_conv2d import DepthwiseConv2D
from edgekit.ops.det import Det
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.grid_sample import GridSample
from edgekit.ops.indexing import INDEXING_OPS
from edgekit.ops.int_binary import INT_BINARY_OPS
from edgekit.ops.int_lstm import IntLstm
from edgekit.ops.int_products import INT_PRODUCT_OPS
from edgekit.ops.int_reduce import INT_REDUCE_OPS
from edgekit.ops.layer_norm import LayerNorm
from edgekit.ops.log_softmax import LogSoftmax
from edgekit.ops.matmul import MatMul
from edgekit.ops.mean import Mean
from edgekit.ops.movement import Expand, Gather, Pad, Reshape, Slice, Tile, Transpose
from edgekit.ops.pool import AvgPool2D, MaxPool2D
from edgekit.ops.power import Pow
from edgekit.ops.quantize import Dequantize, Quantize, Requantize
from edgekit.ops.ranking import RANKING_OPS
from edgekit.ops.recurrent import RECURRENT_OPS
from edgekit.ops.reduce import REDUCE_OPS
from edgekit.ops.resample import Resample
from edgekit.ops.resize import ResizeNearest
from edgekit.ops.resize_bilinear import ResizeBilinear
from edgekit.ops.roi_align import RoiAlign
from edgekit.ops.row_statistics import ROW_STATISTICS_OPS
from edgekit.ops.select import Bitcast, Cast, Where
from edgekit.ops.softmax import Softmax
from edgekit.ops.spatial_pool import MaxUnpool, SpatialAvgPool, SpatialMaxPool
from edgekit.ops.spec import OpSpec
from edgekit.ops.svdf import Svdf
from edgekit.ops.unary import PREDICATE_OPS, UNARY_OPS

OPS: tuple[OpSpec, ...] = (
    Conv2D(),
    DepthwiseConv2D(),
    FullyConnected(),
    Conv(),
    ConvTranspose(),
    DeformConv(),
    MatMul(),
    *ARITHMETIC_OPS,
    *PLAIN_BINARY_OPS,
    Pow(),
    Where(),
    Cast(),
    Bitcast(),
    AvgPool2D(),
    MaxPool2D(),
    SpatialAvgPool(),
    SpatialMaxPool(),
    MaxUnpool(),
    Mean(),
    *REDUCE_OPS,
    *CUMULATE_OPS,
    *RANKING_OPS,
    Det(),
    *RECURRENT_OPS,
    Softmax(),
    LogSoftmax(),
    LayerNorm(),
    *UNARY_OPS,
    *PREDICATE_OPS,
    Reshape(),
    Transpose(),
    Slice(),
    Expand(),
    Tile(),
    Pad(),
    Gather(),
    *INDEXING_OPS,
    Concat(),
    ResizeNearest(),
    Resample(),
    GridSample(),
    RoiAlign(),
    Col2Im(),
    Quantize(),
    Dequantize(),
    Requantize(),
    *INT_BINARY_OPS,
    *INT_PRODUCT_OPS,
    ResizeBilinear(),
    *INT_REDUCE_OPS,
    *ROW_STATISTICS_OPS,
    IntLstm(),
    Svdf(),
)

_BY_NAME = {spec.name: spec for spec in OPS}


def spec_of(op: str) -> OpSpec:
    """The spec of an operator by its IR name; raises InternalError for a name that no importer should have made."""
    try:
        return _BY_NAME[op]
    except KeyError:
        raise InternalError(f"no operator spec named {op!r}") from None
