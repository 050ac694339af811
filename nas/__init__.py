"""edgekit.nas."""
