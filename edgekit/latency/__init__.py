"""Modelled latency: from what ran in the emulator to cycles and milliseconds, with an error band (docs/latency.md)."""

from __future__ import annotations

from edgekit.latency.estimate import Estimate, Latency, estimate
from edgekit.latency.memory import layer_waits

__all__ = ["Estimate", "Latency", "estimate", "layer_waits"]
