"""edgekit.boards."""
