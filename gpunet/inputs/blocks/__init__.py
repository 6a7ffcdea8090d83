"""Examples that are read block by block, because they need not fit into memory."""
