"""What the values of options may be: texts of a command line to numbers and names."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping

from gpunet.cli.settings import FIND
from gpunet.core.checks import finite_number, known_name
from gpunet.core.other_names import Meant
from gpunet.inputs.example_weights import BALANCED


def number(
    text: str, least: float, below: float = math.inf, *, strict: bool = False, more: str = ""
) -> float:
    """`text` as a finite number from `least`, which itself is excluded if `strict`, to less than `below`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < below or (strict and value == least):
        bounds = f"{'greater than' if strict else 'of at least'} {least:g}"
        bounds += "" if below == math.inf else f" and less than {below:g}"
        raise argparse.ArgumentTypeError(f"expected a number {bounds}{more}; got {text!r}")
    return value


def positive(text: str) -> float:
    """A number greater than 0."""
    return number(text, 0.0, strict=True)


def not_negative(text: str) -> float:
    """A number of at least 0."""
    return number(text, 0.0)


def fraction(text: str) -> float:
    """A number in [0, 1)."""
    return number(text, 0.0, 1.0)


def proper_fraction(text: str) -> float:
    """A number in (0, 1)."""
    return number(text, 0.0, 1.0, strict=True)


def whole(text: str, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if not text.strip().isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}; got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number of at least 0."""
    return whole(text, 0)


def one_of(
    what: str, known: Iterable[str], elsewhere: Mapping[str, Meant] | None = None
) -> Callable[[str], str]:
    """The type of an option that takes one of the `known` names; hyphens are read as underscores."""
    names = tuple(known)

    def parse(text: str) -> str:
        try:
            return known_name(what, text.replace("-", "_"), names, elsewhere)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def sizes(text: str) -> tuple[int, ...]:
    """``256,128`` as ``(256, 128)``; ``none`` as ``()``."""
    sizes = [] if text.strip().lower() == "none" else text.split(",")
    if not all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        raise argparse.ArgumentTypeError(f"expected layer sizes such as 256,128, or none; got {text!r}")
    return tuple(int(size) for size in sizes)


def class_weights(text: str) -> str | dict[str, float]:
    """``balanced``, or ``cat=1,dog=4.5`` as a dict."""
    if text.strip().lower() == BALANCED:
        return BALANCED
    weights = {}
    for pair in text.split(","):
        name, _, weight = pair.rpartition("=")
        try:
            found = finite_number("weight", float(weight), 0.0)
        except ValueError:
            name = ""
        name = name.strip()
        if not name:
            raise argparse.ArgumentTypeError(
                f"expected balanced, or a weight of at least 0 for each class, such as cat=1,dog=4.5; got {text!r}"
            )
        if name in weights:
            raise argparse.ArgumentTypeError(f"expected one weight for each class, got two for {name!r}")
        weights[name] = found
    return weights


def rate(text: str) -> float | str:
    """A number greater than 0, or ``find``."""
    return FIND if text.strip().lower() == FIND else number(text, 0.0, more=f", or {FIND}", strict=True)


def names(text: str) -> tuple[str, ...]:
    """``f1,roc_auc`` as ``("f1", "roc_auc")``."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"expected names with commas between; got {text!r}")
    return found


def name_list(text: str) -> str:
    """``id,note`` as it is, if it names something."""
    names(text)
    return text


def batch_size(text: str) -> int | str:
    """A whole number of at least 1, or ``full``."""
    if text.strip().lower() == "full":
        return "full"
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, or full; got {text!r}")
    return int(text)
