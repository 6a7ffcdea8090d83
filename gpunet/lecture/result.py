"""What an experiment returns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpunet.lecture.sentence import Sentence, power

WIDTH = 80


@dataclass(frozen=True)
class Result:
    """Measured values, and what they show.

    Attributes
    ----------
    values : mapping of str to float, str or list of float
        The measured values by name.
    observations : sequence of Sentence or str
        What the values show, in one to three sentences.
    mistakes : sequence of Sentence or str
        A mistake in the notes and its effect, measured; may be empty.
    shown : mapping
        What the figure shows: the arguments of the experiment's ``draw``.
    """

    values: Mapping[str, Any]
    observations: Sequence[Sentence | str]
    mistakes: Sequence[Sentence | str] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def observation(self) -> str:
        """The observations as one text."""
        return " ".join(map(str, self.observations))

    @property
    def mistake(self) -> str:
        """The mistake as one text; else empty."""
        return " ".join(map(str, self.mistakes))

    def __str__(self) -> str:
        """Values, observation and mistake, in lines of at most 80 characters."""
        parts = ["\n".join(self.lines(WIDTH)), textwrap.fill(self.observation, WIDTH)]
        if self.mistake:
            parts.append(textwrap.fill(f"Mistake: {self.mistake}", WIDTH))
        return "\n\n".join(parts)

    def lines(self, width: int) -> list[str]:
        """The values as lines of at most `width` characters."""
        column = max(len(name) for name in self.values) + 2
        lines = []
        for name, value in self.values.items():
            text = f"{name:<{column}}{format_value(value)}"
            lines += textwrap.wrap(text, width, subsequent_indent=" " * column, drop_whitespace=True)
        return lines


def format_value(value: Any) -> str:
    """A number with four significant digits, a list separated by commas, a string as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(format_value(item) for item in value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 1e-3 <= abs(value) < 1e7:
        return power(value, 1)
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")
