"""edgekit: from a board and a model to firmware that provably fits."""

__version__ = "0.1.0"
