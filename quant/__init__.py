"""edgekit.quant."""
