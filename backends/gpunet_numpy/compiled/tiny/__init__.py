"""Descent step by step on one thread, for tiny networks."""
