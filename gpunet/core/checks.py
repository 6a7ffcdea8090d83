"""Checks of single settings, with their error messages."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpunet.core.other_names import Meant

OWN_PREFIX = "gpunet."  # of gpunet's own functions in files


def known_name(
    what: str, name: Any, known: Iterable[str], elsewhere: Mapping[str, Meant] | None = None
) -> str:
    """`name`, if it is one of `known`; else a ValueError that names the nearest.

    `elsewhere` says what is meant by the names that other libraries use.
    """
    known = sorted(known)
    if isinstance(name, str) and name in known:
        return name
    # A type is meant by its name: numpy.float32, torch.float32.
    text = name if isinstance(name, str) else getattr(name, "__name__", str(name)).rpartition(".")[2]
    bare = text.lower().translate({ord(c): None for c in "-_ "})
    meant = (elsewhere or {}).get(bare)
    cutoff = 0.4 if isinstance(name, str) else 1.0
    near = difflib.get_close_matches(text.lower(), known, n=1, cutoff=cutoff)
    if meant is not None:
        hint = f" It is {meant.name!r} here{': ' if meant.difference else ''}{meant.difference}."
    else:
        hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {what} {name!r}.{hint} Known: {', '.join(known)}.")


def named_or_own(what: str, own: Any, table: Mapping[Any, Any]) -> Any:
    """The name of one of gpunet's activations or losses, itself for another; a ValueError if it has a taken name."""
    for name, known in table.items():
        if known == own:
            return name
    if own.name in table:
        raise ValueError(f"{what} {own.name!r}: this name is taken by one of gpunet's; choose another")
    return own


def no_function(what: str, value: Any, wanted: str) -> None:
    """Raise a TypeError for a function or module of another library, where a name or `wanted` is expected."""
    if callable(value):
        raise TypeError(f"{what} must be a name, or {wanted} for one of your own; got {value!r}")


def positive_int(what: str, value: Any) -> int:
    """`value` as an int of at least 1, else a ValueError or TypeError."""
    return _whole_number(what, value, 1)


def not_negative_int(what: str, value: Any) -> int:
    """`value` as an int of at least 0, else a ValueError or TypeError."""
    return _whole_number(what, value, 0)


def _whole_number(what: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{what} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{what} must be at least {least}, got {value}")
    return int(value)


def flag(what: str, value: Any) -> bool:
    """`value`, if it is True or False, NumPy's too, else a TypeError: the text "no", say, is not False."""
    if type(value).__name__ != "bool":
        raise TypeError(f"{what} must be True or False, got {value!r}")
    return bool(value)


def function(what: str, value: Any, arguments: str, count: int) -> None:
    """Raise a TypeError unless `value` can be called with `count` arguments; `arguments` say how it is."""
    if not callable(value):
        raise TypeError(f"{what} must be a function {arguments}, got {value!r}")
    parameters = other_parameters(value, count)
    if parameters is not None:
        raise TypeError(
            f"{what} must be a function {arguments}; the parameters of {value!r} are {parameters}"
        )


def other_parameters(function: Callable[..., Any], count: int) -> str | None:
    """The parameters of a function that can't be called with `count` arguments, in words; None for one that can.

    None, too, for functions that do not tell, as some do that are not written in Python.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return str(signature)
    return None


def own_name(what: str, name: Any) -> None:
    """Raise an error unless `name` can be that of an activation or loss of the user's own."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} must be a str, got {name!r}")
    if not name:
        raise ValueError(f"the name of {what} must not be empty")
    if name.startswith(OWN_PREFIX):
        raise ValueError(
            f"names that begin with {OWN_PREFIX!r} are gpunet's own in files; got {name!r} for {what}"
        )


def texts(what: str, value: Any) -> tuple[str, ...]:
    """A list of names, or of what is written as one, as texts.

    Raises
    ------
    TypeError
        For a single text, whose letters are no names, and what is no list.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{what} must be a list of names, got {value!r}")
    return tuple(map(str, value))


def number(what: str, value: Any) -> float:
    """`value` as a float, which need not be finite, else a TypeError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:  # an int beyond all floats
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def finite_number(what: str, value: Any, low: float = -math.inf, *, strict: bool = False) -> float:
    """`value` as a finite float that is ``≥ low`` (``> low`` if strict), else an error."""
    found = number(what, value)
    if not math.isfinite(found) or found < low or (strict and found == low):
        bound = "" if low == -math.inf else f" {'above' if strict else 'at least'} {low:g}"
        raise ValueError(f"{what} must be a finite number{bound}, got {value!r}")
    return found


def keep_pythons_numbers(settings: Any) -> None:
    """Replace the numbers of a frozen dataclass by Python's own.

    Those of NumPy have a dtype: a float64 would make float64 of the float32 arrays that it is multiplied with, and the
    sums of an int8 overflow.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            own = int(value) if isinstance(value, numbers.Integral) else float(value)
            object.__setattr__(settings, field.name, own)


def unit_interval(what: str, value: Any) -> float:
    """`value` as a float in ``[0, 1)``, else an error."""
    number = finite_number(what, value, 0.0)
    if number >= 1.0:
        raise ValueError(f"{what} must lie in [0, 1), got {value!r}")
    return number
