"""What the targets of a network from another tool are: classes with names, or values with a unit."""

from __future__ import annotations

from gpunet.tables import Target
from gpunet.tables.reading import Reading


def target_of_classes(names: list[str]) -> Target:
    """A target with these classes, in this order."""
    return _target("classes", names, 0.0, 1.0, Reading("category"))


def target_of_values(center: float, scale: float) -> Target:
    """A target of values: the outputs of the network are ``(y − center) / scale``."""
    return _target("values", None, center, scale, Reading("number", written="point"))


def _target(kind: str, names: list[str] | None, center: float, scale: float, reading: Reading) -> Target:
    state = {"kind": kind, "name": "target", "class_names": names, "center": center, "scale": scale}
    return Target.from_state({**state, "reading": reading.to_state()})
