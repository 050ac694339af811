"""edgekit.runtime_c."""
