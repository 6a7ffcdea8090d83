"""Memory of this process in MB (10⁶ bytes), from Linux's ``/proc``."""

from __future__ import annotations

from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def available():
    return CLEAR_REFS.exists()


def resident_mb():
    return _read("VmRSS")


def peak_mb():
    """The peak since the start of the process, or since :func:`reset_peak`."""
    return _read("VmHWM")


def reset_peak():
    CLEAR_REFS.write_text("5")


def _read(field):
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6
