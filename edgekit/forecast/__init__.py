"""What a model will need on a board, before anything is compiled: RAM, flash, and the smallest board that fits.

Held to within 15 % of what `edgekit build` measures with its default toolchain (docs/analyze.md).
"""

from edgekit.forecast.boards import Forecast, Forecaster, smallest
from edgekit.forecast.sizes import CoreSizes, core_key, core_sizes

__all__ = ["CoreSizes", "Forecast", "Forecaster", "core_key", "core_sizes", "smallest"]
