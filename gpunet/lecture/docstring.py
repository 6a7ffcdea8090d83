"""The docstring of an experiment's script: its sections, and formulas in its sentences as HTML."""

from __future__ import annotations

import html
import re
from typing import NamedTuple


class Sections(NamedTuple):
    """The sections of a script's docstring, as plain text."""

    summary: str
    claims: list[tuple[str, str]]  # ("C1", "an image …")
    equations: list[str]


def sections(text: str) -> Sections:
    """Split a docstring: first line, claims that begin with ``C1:``, and indented equations."""
    summary, _, rest = text.partition("\n")
    prose, equations = [], []
    for line in rest.splitlines():
        if line.startswith("    "):
            equations.append(line.strip())
        elif line.strip():
            prose.append(line.strip())
    found = re.split(r"(?:^|\s)(C\d+): ", " ".join(prose))
    return Sections(summary, list(zip(found[1::2], found[2::2], strict=True)), equations)


def inline(text: str) -> str:
    """HTML with superscripts and subscripts: ``W[l]``, ``y_k``, ``1.5^L``; names such as lecun_normal stay."""
    text = html.escape(text)
    text = re.sub(r"(?<=[A-Za-zδ])\[([\w−+]{1,3})\]", r"<sup>[\1]</sup>", text)
    text = re.sub(r"\^(\w+)", r"<sup>\1</sup>", text)
    return re.sub(r"(?<![\w.])([A-Za-zŷλ])_(max|min|\w)\b", r"\1<sub>\2</sub>", text)
