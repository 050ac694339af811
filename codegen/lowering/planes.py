"""Depthwise convolution by planes on DSP cores: which layers, and in bands of how many rows; see ek_planes.h."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.ir import Node
from edgekit.ops.window import window_of

KERNELS = (3, 5)


@dataclass(frozen=True)
class Planes:
    """The sizes of a layer's planes.

    Attributes:
        columns: words of a row; out_rows, kernel, stride: along the height.
    """

    columns: int
    out_rows: int
    kernel: int
    stride: int

    def _plane_rows(self, band: int) -> int:
        return (band - 1) * self.stride + self.kernel

    def scratch(self, band: int) -> int:
        """Bytes of the planes of four channels for `band` rows of output."""
        return 16 * self.columns * self._plane_rows(band)

    def fastest(self, room: int) -> int:
        """Rows of output to make at a time: those that fill the fewest rows of planes in `room` bytes; at least 1."""
        options = [band for band in range(1, self.out_rows + 1) if self.scratch(band) <= room]
        filled = {band: -(-self.out_rows // band) * self._plane_rows(band) for band in options or [1]}
        return min(filled, key=lambda band: (filled[band], band))


def planes_of(node: Node) -> Planes | None:
    """The planes of a depthwise layer, or None where no kernel works by planes."""
    kernel_h, kernel_w, channels = node.input(1).shape
    window = window_of(node, (kernel_h, kernel_w))
    usual = kernel_h == kernel_w and kernel_w in KERNELS and window.dilation == (1, 1) and window.stride[1] in (1, 2)
    if not usual or channels < 4:
        return None
    pairs = (window.output[1] + 1) // 2 if window.stride[1] == 1 else window.output[1]
    return Planes(pairs + kernel_w // 2, window.output[0], kernel_h, window.stride[0])
