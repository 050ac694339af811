"""Depthwise convolution by planes on DSP cores: which layers, and in bands of how many lines; see ek_planes.h."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.ir import Node
from edgekit.ops.window import Window, window_of

KERNELS = (3, 5)


# Instructions by kernel: of two neighbouring pixels of a channel, of one more; of a line; of a word in each of four
# planes; of a band of four channels beside.
_PAIR, _SINGLE = {3: 37, 5: 65}, {3: 27, 5: 48}
_LINE, _WORD, _BAND = 16, 16, 1000


@dataclass(frozen=True)
class Planes:
    """The sizes of a layer's planes.

    Attributes:
        turned: lines are columns of the image, else its rows.
        out: pixels of a line of output; lines: of output.
        kernel: taps along and across; stride: along a line, and from line to line.
    """

    turned: bool
    out: int
    lines: int
    kernel: int
    stride: tuple[int, int]

    @property
    def columns(self) -> int:
        """Words of a line of a plane."""
        return ((self.out + 1) // 2 if self.stride[0] == 1 else self.out) + self.kernel // 2

    def instructions(self, band: int) -> int:
        """Of four channels, by bands of so many lines."""
        line = self.out // 2 * _PAIR[self.kernel] + self.out % 2 * _SINGLE[self.kernel] + _LINE
        bands = -(-self.lines // band)
        return 4 * self.lines * line + bands * (_WORD * self.columns * self._plane_lines(band) + _BAND)

    def _plane_lines(self, band: int) -> int:
        return (band - 1) * self.stride[1] + self.kernel

    def scratch(self, band: int) -> int:
        """Bytes of the planes of four channels for `band` lines of output."""
        return 16 * self.columns * self._plane_lines(band)

    def fastest(self, room: int) -> int:
        """Lines of output to make at a time: those that fill the fewest lines of planes in `room` bytes; at least 1."""
        options = [band for band in range(1, self.lines + 1) if self.scratch(band) <= room]
        filled = {band: -(-self.lines // band) * self._plane_lines(band) for band in options or [1]}
        return min(filled, key=lambda band: (filled[band], band))


def planes_of(node: Node) -> Planes | None:
    """The planes of a depthwise layer, or None where no kernel works by planes."""
    kernel_h, kernel_w, channels = node.input(1).shape
    return planes_over(window_of(node, (kernel_h, kernel_w)), channels)


def planes_over(window: Window, channels: int) -> Planes | None:
    """The planes of a window over so many channels, or None as above."""
    (kernel_h, kernel_w), (out_h, out_w), (stride_h, stride_w) = window.kernel, window.output, window.stride
    if kernel_h != kernel_w or kernel_w not in KERNELS or window.dilation != (1, 1) or channels < 4:
        return None
    ways = [
        Planes(False, out_w, out_h, kernel_w, (stride_w, stride_h)),
        Planes(True, out_h, out_w, kernel_w, (stride_h, stride_w)),
    ]
    usual = [way for way in ways if way.stride[0] in (1, 2)]
    return min(usual, key=lambda way: way.instructions(way.lines), default=None)
