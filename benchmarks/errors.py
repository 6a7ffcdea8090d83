"""Why there is no figure."""

from __future__ import annotations


class MeasurementFailed(Exception):
    """An implementation raised an error, ended its process or did not answer in time."""


class Unsupported(Exception):
    """An implementation does not offer what the case asks for; the message says why."""
