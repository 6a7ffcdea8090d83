"""From the docstrings' plain text to HTML: claims as paragraphs, equations with real indices."""

from __future__ import annotations

import html
import re
from typing import NamedTuple


class Words(NamedTuple):
    """A script's docstring in its parts, as plain text."""

    lead: str
    claims: list[tuple[str, str]]  # ("C1", "an image …")
    equations: list[str]


def parts(text: str) -> Words:
    """Take a docstring apart: first line, claims that begin with ``C1:``, and indented equations."""
    lead, _, rest = text.partition("\n")
    prose, equations = [], []
    for line in rest.splitlines():
        if line.startswith("    "):
            equations.append(line.strip())
        elif line.strip():
            prose.append(line.strip())
    found = re.split(r"(?:^|\s)(C\d+): ", " ".join(prose))
    return Words(lead, list(zip(found[1::2], found[2::2], strict=True)), equations)


def inline(text: str) -> str:
    """Return HTML with raised and lowered indices: ``W[l]``, ``y_k``, ``1.5^L``, ``e^{−z}``."""
    text = html.escape(text)
    text = re.sub(r"(?<=[A-Za-zδ])\[([\w−+]{1,3})\]", r"<sup>[\1]</sup>", text)
    text = re.sub(r"\^\{([^}]+)\}|\^(\w)", lambda found: f"<sup>{found[1] or found[2]}</sup>", text)
    return re.sub(r"(?<=[\wŷΣλ])_(\w+)", r"<sub>\1</sub>", text)


def equation(text: str) -> str:
    """Return one line of mathematics as HTML, single letters in italics."""
    pieces = re.split(r"(<[^>]+>|&\w+;|&#\w+;)", inline(text))
    pieces[::2] = [
        re.sub(r"(?<![A-Za-z′])([A-HJ-Za-z]|ŷ)(?![A-Za-z])", r"<i>\1</i>", piece) for piece in pieces[::2]
    ]
    return "".join(pieces)
