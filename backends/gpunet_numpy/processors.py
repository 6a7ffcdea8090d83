"""How many processors this process may use: its affinity, and the CPU time that its container may take.

A container's limit (``docker run --cpus 2``, a limit in Kubernetes) is a quota of the control group: so many
microseconds of CPU time in each period. A process with more busy threads than that is stopped until the period ends, in
the midst of a barrier too.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@functools.cache
def processors() -> int:
    """Processors that this process may keep busy, at least 1."""
    return max(math.floor(min(_by_affinity(), quota(GROUPS, MOUNT))), 1)


def _by_affinity() -> float:
    if hasattr(os, "process_cpu_count"):  # since Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(groups: Path, mount: Path) -> float:
    """The smallest quota of this process's control groups and those that they are in, in processors.

    Infinity where there is none, as on other systems than Linux.

    Parameters
    ----------
    groups : Path
        A file like ``/proc/self/cgroup``: lines ``0::/path`` (version 2) or ``4:cpu,cpuacct:/path`` (version 1).
    mount : Path
        Where control groups are mounted.
    """
    return min((_quota_of(folder) for folder in _folders(groups, mount)), default=math.inf)


def _folders(groups: Path, mount: Path) -> Iterator[Path]:
    """The folders of the control groups that limit CPU time. In a container the outer ones, or all, can't be seen."""
    for line in _read(groups).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = PurePosixPath(path.lstrip("/"))
        for inside in (group, *group.parents):
            yield mount / controllers / inside


def _quota_of(folder: Path) -> float:
    words = _read(folder / "cpu.max").split()  # version 2: "max 100000", or "150000 100000"
    if not words:
        words = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]  # version 1
    try:
        allowed, period = (float(word) for word in words)
    except ValueError:
        return math.inf
    return allowed / period if allowed > 0 and period > 0 else math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
