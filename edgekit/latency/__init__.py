"""Modelled latency: from what ran in the emulator to cycles and milliseconds, with an error band (docs/latency.md)."""

from __future__ import annotations

from edgekit.latency.estimate import Estimate, Latency, assumed_cycles, estimate, estimate_run, require_model
from edgekit.latency.memory import layer_waits
from edgekit.latency.products import product_cycles

__all__ = [
    "Estimate",
    "Latency",
    "assumed_cycles",
    "estimate",
    "estimate_run",
    "layer_waits",
    "product_cycles",
    "require_model",
]
