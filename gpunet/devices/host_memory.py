"""How much memory this process may use: the machine's, or less in a container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")  # where Linux shows control groups
OWN = Path("/proc/self/cgroup")  # which of them this process is in
# Files with limits of version 2; from "high" on, the kernel slows a process down.
LIMITS = ("memory.max", "memory.high")
LIMITS_1 = ("memory.limit_in_bytes",)  # and of version 1


def host_memory() -> float:
    """Bytes of memory that this process may use: of the machine, or of its control group if that has a lower limit.

    The limit of a container, a batch job or a service is that of a control group, or of one above it; Linux's
    ``cgroups(7)`` and "Control Group v2" in its documentation describe both versions. Infinity where the system does
    not say.
    """
    return min([_physical_memory(), *_limits()])


def _physical_memory() -> float:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # as on Windows
        return math.inf
    return float(size) if size > 0 else math.inf


def _limits() -> Iterator[float]:
    """The limits of this process's control groups, and of those above them."""
    for folder, group, names in _groups():
        # In a container, its own group may be shown as the topmost one, under whatever name it has outside: then there
        # is no folder of that name, and the topmost one counts.
        for place in (folder / group, *(folder / group).parents):
            yield from (limit for limit in (_limit(place / name) for name in names) if limit is not None)
            if place == folder:
                break


def _groups() -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """The folder of each hierarchy with memory limits, this process's group in it, and the files that hold limits."""
    for line in (_read(OWN) or "").splitlines():
        _, controllers, group = line.split(":", 2)  # such as 0::/system.slice or 4:memory:/docker/12ab
        if not controllers:
            yield GROUPS, group.lstrip("/"), LIMITS
        elif "memory" in controllers.split(","):
            yield GROUPS / "memory", group.lstrip("/"), LIMITS_1


def _limit(path: Path) -> float | None:
    """The bytes that a file says; None for none, which version 1 writes as a number larger than any memory."""
    text = (_read(path) or "").strip()
    return float(text) if text.isdecimal() else None


def _read(path: Path) -> str | None:
    try:
        return os.fsdecode(path.read_bytes())  # a group may have any bytes in its name
    except OSError:
        return None
