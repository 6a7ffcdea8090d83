"""What the targets of a network from another tool are: classes with names, or values with a unit."""

from __future__ import annotations

import numbers
from typing import Any

from gpunet.tables import Target
from gpunet.tables.reading import Reading


def target_of_classes(labels: list[Any]) -> Target:
    """A target with these classes, in this order: words, or numbers, whole ones without a point.

    Raises
    ------
    ValueError
        For words that a target reads as others, or as missing.
    """
    names = [_name(one) for one in labels]
    changed = [name for name in names if not name or name != name.strip()]
    if changed:
        raise ValueError(
            "a network's class names are not empty and have no blanks around them, got the class "
            f"{changed[0]!r}: call it something else in y, and fit anew"
        )
    return _target("classes", names, 0.0, 1.0, Reading("category"))


def target_of_values(center: float, scale: float) -> Target:
    """A target of values: the outputs of the network are ``(y − center) / scale``."""
    return _target("values", None, center, scale, Reading("number", written="point"))


def _name(label: Any) -> str:
    whole = isinstance(label, numbers.Real) and not isinstance(label, bool) and float(label).is_integer()
    return str(int(label)) if whole else str(label)


def _target(kind: str, names: list[str] | None, center: float, scale: float, reading: Reading) -> Target:
    state = {"kind": kind, "name": "target", "class_names": names, "center": center, "scale": scale}
    return Target.from_state({**state, "reading": reading.to_state()})
