"""Messages of the library on the command line: its arguments are written as options there."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# Advice that has other words on the command line
ADVICE = {
    "give the Network standardizer=gpunet.Standardizer()": "leave out --standardize no",
    "give fit validation_data or validation_fraction": "give --validation-fraction",
}
VALUES = {("--batch-size", "None"): "full"}

# name=, name=value, name='value', or a name of several words, but no part of a path and nothing in quotes
_ARGUMENT = re.compile(
    r"""(?<![\w/\\'"=.-]) (?: (?P<name>[a-z]+(?:_[a-z]+)*)= (?:'(?P<quoted>[^']*)' | (?P<bare>\w+(?:\.\w+)*|…))?"""
    r""" | (?P<alone>[a-z]+(?:_[a-z]+)+) ) (?![\w/\\'"=(-])""",
    re.VERBOSE,
)


def with_options(message: str, options: Collection[str], written: Sequence[str] = ()) -> str:
    """A message with ``missing=`` as ``--missing``, and ``kind='classes'`` as ``--kind classes``.

    Parameters
    ----------
    message : str
    options : collection of str
        The options that take a value, such as ``"--batch-size"``; other arguments stay as they are.
    written : sequence of str
        The arguments of the command line: what the user wrote stays as it is, as the name of a file does.
    """
    for advice, instead in ADVICE.items():
        message = message.replace(advice, instead)

    def as_option(found: re.Match[str]) -> str:
        option = "--" + (found["name"] or found["alone"]).replace("_", "-")
        if option not in options or any(found[0] in one for one in written):
            return found[0]
        value = found["quoted"] or found["bare"] or ""
        return f"{option} {VALUES.get((option, value), value)}".rstrip()

    return _ARGUMENT.sub(as_option, message)
