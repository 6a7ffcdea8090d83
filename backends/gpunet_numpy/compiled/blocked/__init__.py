"""Blocked SGD on all threads."""
