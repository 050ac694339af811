"""Learning of weight codes by reconstruction, block by block, in torch (the extra `search`)."""
