"""Batches of small networks, with examples as columns, on one thread."""
