"""Descent of any batch size on examples that are given as sparse rows."""
