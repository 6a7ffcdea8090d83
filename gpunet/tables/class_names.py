"""The names of classes: as they are written, one name per class, in order."""

from __future__ import annotations


def class_names(texts: list[str], *, numbers: bool) -> tuple[str, ...]:
    """Names of classes, each as it is written; 1 and 1.0 are one class, called 1.

    Parameters
    ----------
    texts : list of str
        Different cells.
    numbers : bool
        Whether they are ordered by size, else in alphabetical order.
    """
    ways: dict[str, list[str]] = {}
    for text in texts:
        ways.setdefault(canonical(text), []).append(text)
    names = [found[0] if len(found) == 1 else value for value, found in ways.items()]
    return tuple(sorted(names, key=number_key) if numbers else sorted(names))


def canonical(text: str) -> str:
    """What two ways to write one class have in common: 7 and 7.0, True and true; codes and words stay as they are."""
    lower = text.lower()
    if lower in ("true", "false"):
        return lower
    digits, point, zeros = text.partition(".")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits.removeprefix("+"))
    if point and not zeros.strip("0") and digits.isdigit() and (digits == "0" or digits[0] != "0"):
        return sign + digits
    return text


def number_key(name: str) -> tuple[float, int, str]:
    """Order by size: exactly for integers of any size."""
    try:
        return float(name.replace(",", ".")), int(name), name
    except ValueError:
        try:
            return float(name.replace(",", ".")), 0, name
        except ValueError:
            return float("inf"), 0, name
