"""The activations, losses and initializers that have names, each with its formula: the first line of its docstring."""

import re

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.initializers import INITIALIZERS
from gpunet.core.losses import LOSSES


def listed(functions):
    """A list of names and first lines of docstrings."""
    return "\n".join(f"- `{name}`: {first_line(function)}" for name, function in functions.items())


def first_line(function):
    return re.sub(r":func:`(\w+)`", r"`\1`", function.__doc__.partition("\n")[0])


def defaults():
    """The activations of each default initializer, as a sentence."""
    by_initializer = {}
    for name, one in ACTIVATIONS.items():
        by_initializer.setdefault(one.initializer, []).append(f"`{name}`")
    return "; ".join(f"`{name}` for {', '.join(those)}" for name, those in by_initializer.items()) + "."


def substitutions():
    """The lists, by the names that pages use."""
    return {
        "activations": listed({name: one.forward for name, one in ACTIVATIONS.items()}),
        "losses": listed({name: one.value for name, one in LOSSES.items()}),
        "initializers": listed(INITIALIZERS),
        "default_initializers": defaults(),
    }
