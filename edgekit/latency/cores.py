"""The cores that have a model, and how far each was compared with published latencies.

`scale` and band come from published results, see docs/latency.md; `python -m benchmarks.latency_calibration` finds the
scale again.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.latency import in_order
from edgekit.latency.dual_issue import MISPREDICTION, CortexM7
from edgekit.latency.in_order import InOrder


@dataclass(frozen=True)
class Core:
    """One core.

    Attributes:
        pipeline: cycles of its instructions, from memory without wait states.
        scale: published cycles are so many times those: code that comes from flash, and what the pipeline leaves out.
        low, high: the band, as factors of the modelled cycles.
        source: the published results behind scale and band; None where there are none for this core.
        misprediction: cycles of a branch that goes the other way than predicted.
    """

    pipeline: InOrder | CortexM7
    scale: float
    low: float
    high: float
    source: str | None
    misprediction: int = 0


@dataclass(frozen=True)
class Assumed:
    """A core without a model: cycles per instruction, their low and their high."""

    model: float
    low: float
    high: float


# The cores without published results of their own take the scale of the others and a wide band.
CORES = {
    "cortex-m0plus": Core(in_order.CORTEX_M0PLUS, 1.4, 0.7, 1.8, None),
    "cortex-m3": Core(in_order.CORTEX_M3, 1.4, 0.7, 1.8, None),
    "cortex-m4": Core(in_order.CORTEX_M4, 1.41, 0.84, 1.16, "10 results on one board"),
    "cortex-m33": Core(in_order.CORTEX_M33, 1.34, 0.88, 1.12, "results on two boards"),
    "cortex-m7": Core(CortexM7(), 1.42, 0.82, 1.33, "ratios of other engines to Cortex-M4", MISPREDICTION),
}
# Vector instructions take two cycles each and overlap with loads.
ASSUMED = {"cortex-m55": Assumed(1.6, 0.8, 4.0)}
