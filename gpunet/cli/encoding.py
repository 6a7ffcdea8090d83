"""Output where not every character can be written, as in a file in a code page of Windows."""

from __future__ import annotations

import codecs
import sys

LIKE = {"─": "-", "→": "->", "×": "x", "²": "^2"}  # of what gpunet itself prints


def write_any_character() -> None:
    """What standard output can't encode is written in ASCII instead: a like character, or its code."""
    codecs.register_error("gpunet", _in_ascii)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="gpunet")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(
        LIKE.get(one) or one.encode("ascii", "backslashreplace").decode() for one in characters
    ), error.end
