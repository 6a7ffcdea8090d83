"""How many processors this process should use: by its affinity, its container's CPU time, and the kinds of cores.

A container's limit (``docker run --cpus 2``, a limit in Kubernetes) is a quota of the control group: so many
microseconds of CPU time in each period. A process with more busy threads than that is stopped until the period ends, in
the midst of a barrier too.

Some processors have performance cores and efficiency cores. All threads of a program have equal shares of the work, so
those on the slower cores would hold up the others: there are as many threads as performance cores.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
# Linux lists the processors of the performance cores here, where Intel's processor has two kinds.
LISTED, TOPOLOGY = Path("/sys/devices/cpu_core/cpus"), Path("/sys/devices/system/cpu")
APPLES = b"hw.perflevel0.physicalcpu"  # macOS's name for their number, on Apple silicon


@functools.cache
def processors() -> int:
    """Processors that this process should keep busy, at least 1."""
    fast = _apples_cores() if sys.platform == "darwin" else performance_cores(LISTED, TOPOLOGY)
    return max(math.floor(min(_by_affinity(), quota(GROUPS, MOUNT), fast)), 1)


def _by_affinity() -> float:
    if hasattr(os, "process_cpu_count"):  # since Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def performance_cores(listed: Path, topology: Path) -> float:
    """The performance cores of this process's affinity, on Linux; infinity where cores are alike, or it has none.

    Parameters
    ----------
    listed : Path
        A file like ``/sys/devices/cpu_core/cpus``: their processors, as ``0-3,8``.
    topology : Path
        A folder like ``/sys/devices/system/cpu``: it tells which processors share a core.
    """
    fast = _processors_in(_read(listed))
    if hasattr(os, "sched_getaffinity"):
        fast &= os.sched_getaffinity(0)
    cores = {_read(topology / f"cpu{one}" / "topology" / "thread_siblings_list") or str(one) for one in fast}
    return len(cores) or math.inf


def _processors_in(text: str) -> set[int]:
    """The numbers in a list as ``0-3,8``; none where it is no such list."""
    found: set[int] = set()
    try:
        for part in text.strip().split(","):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError:
        return set()
    return found


def _apples_cores() -> float:
    """The performance cores that macOS tells of; infinity on a Mac that has one kind of core."""
    count, size = ctypes.c_int32(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int32))
    try:
        system = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return math.inf
    failed = system(APPLES, ctypes.byref(count), ctypes.byref(size), None, ctypes.c_size_t(0))
    return math.inf if failed or count.value < 1 else count.value


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
