"""From exact instruction counts to modelled milliseconds, with the error band that the model was calibrated to.

Cycles per instruction come from published MLPerf Tiny results over exact counts of the same engine (TFLite Micro with
CMSIS-NN): Cortex-M4 1.66 (10 points), Cortex-M33 1.39; Cortex-M7 only through ratios of other engines. No such pair
is known for the others: their figures are assumed, from one cycle per instruction (single-issue cores) upwards, with
bands wide enough to say little, and labelled so.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.boards import Board

# core -> cycles per instruction: model, low, high
_CPI = {
    "cortex-m7": (0.98, 0.80, 1.30),
    "cortex-m4": (1.66, 1.39, 1.93),
    "cortex-m33": (1.39, 1.22, 1.56),
}
# The same, assumed: M3 has M4's pipeline; M0+ takes two cycles per load and taken branch; M55's vector instructions
# take two cycles each and overlap with loads.
_ASSUMED = {
    "cortex-m0plus": (1.6, 1.0, 3.0),
    "cortex-m3": (1.66, 1.0, 3.0),
    "cortex-m55": (1.6, 0.8, 4.0),
}


@dataclass(frozen=True)
class Latency:
    """Milliseconds: the model and its band; None where nothing is known of the core."""

    model: float | None
    low: float | None
    high: float | None
    label: str


def estimate(board: Board, instructions: int) -> Latency:
    """Milliseconds of so many instructions on a board."""
    if board.core not in _CPI | _ASSUMED:
        return Latency(None, None, None, f"no model for {board.core}; the instruction count is exact")
    milliseconds = instructions / (board.mhz * 1000.0)
    model, low, high = (round(cpi * milliseconds, 4) for cpi in (_CPI | _ASSUMED)[board.core])
    label = f"instruction-count model at {board.mhz} MHz, not measured; memory wait states are not in it"
    if board.core in _ASSUMED:
        label = f"NOT CALIBRATED for {board.core}, cycles per instruction are assumed; {label}"
    return Latency(model, low, high, label)
