"""The experiments in the order of the lecture."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from gpunet.lecture import figures
from gpunet.lecture.exercises import EXERCISES, Exercise
from gpunet.lecture.result import Result

MOST_ABOUT = 6  # experiments that are named for a word in their texts


@dataclass(frozen=True)
class Experiment:
    """One script of ``gpunet/lecture/scripts``, its drawing and its exercise.

    Attributes
    ----------
    name : str
        Name of the script, also on the command line.
    """

    name: str

    @cached_property
    def module(self) -> ModuleType:
        """The imported script."""
        return importlib.import_module(f"gpunet.lecture.scripts.{self.name}")

    @cached_property
    def drawing(self) -> ModuleType:
        """The imported drawing: ``draw`` and ``ALT``."""
        return importlib.import_module(f"gpunet.lecture.drawings.{self.name}")

    @property
    def title(self) -> str:
        """The title: a few words."""
        return str(self.module.TITLE)

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that it demonstrates, such as ``("C1", "C2")``."""
        return tuple(self.module.CLAIMS)

    @property
    def text(self) -> str:
        """The docstring of the script: claims and equations."""
        return inspect.cleandoc(self.module.__doc__ or "")

    @property
    def path(self) -> Path:
        """The file of the script, which runs alone: ``python needle.py``."""
        return Path(__file__).parent / "scripts" / f"{self.name}.py"

    @property
    def source(self) -> str:
        """The code, without the docstring."""
        return inspect.getsource(self.module).split('"""', 2)[2].strip() + "\n"

    @property
    def alt(self) -> str:
        """What the figure shows, for people who cannot see it."""
        return re.sub(r"\s+", " ", self.drawing.ALT)

    @property
    def exercise(self) -> Exercise:
        """A question whose answer is a number."""
        return EXERCISES[self.name]

    def run(self, backend: str = "numpy", seed: int = 0) -> Result:
        """Run the script, with one BLAS thread: for matrices this small, more threads are slower."""
        with _one_blas_thread():
            result: Result = self.module.run(backend=backend, seed=seed)
        return result

    def draw(self, result: Result) -> Any:
        """The figure of a result, a ``matplotlib.figure.Figure`` that belongs to no window.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        with figures.style():
            return self.drawing.draw(**result.shown)


EXPERIMENTS = tuple(
    Experiment(name)
    for name in (
        "needle",
        "detectors",
        "softmax",
        "regression",
        "shapes",
        "features",
        "batch",
        "backprop",
        "saturation",
        "collapse",
        "separation",
        "depth",
        "normalise",
        "starts",
        "symmetry",
        "descent",
        "noise",
        "momentum",
        "decay",
        "check",
    )
)


def find(what: str) -> list[Experiment]:
    """The experiments of a claim such as "C14", the one with a name, or "all", in the order of the lecture.

    Raises
    ------
    ValueError
        If there is none; the message suggests the nearest.
    """
    if what.lower() == "all":
        return list(EXPERIMENTS)
    found = [e for e in EXPERIMENTS if what.lower() == e.name or what.upper() in e.claims]
    if found:
        return found
    claims = sorted({claim for e in EXPERIMENTS for claim in e.claims}, key=lambda claim: int(claim[1:]))
    names = [e.name for e in EXPERIMENTS]
    near = difflib.get_close_matches(what.lower(), [*names, "all"], 1)
    nearest = _nearest_claim(what, claims) or (near[0] if near else None)
    hint = f"; the nearest is {nearest!r}" if nearest else ""
    about = _about(what) if len(what) > 2 and not nearest else []
    if 0 < len(about) <= MOST_ABOUT:
        hint = f"; see {', '.join(about)}"
    raise ValueError(
        f"the lecture has no experiment {what!r}{hint}. Give a claim, {claims[0]} to {claims[-1]}, 'all', or a name: "
        f"{', '.join(names)}."
    )


def _nearest_claim(what: str, claims: list[str]) -> str | None:
    """The claim nearest to a number, with the letter C or without; None for a text."""
    number = what[1:] if what[:1].upper() == "C" else what
    if not number.isdecimal():
        return None
    return min(claims, key=lambda claim: abs(int(claim[1:]) - int(number)))


def _about(word: str) -> list[str]:
    """The experiments with a word, or another form of it, in their titles, else in their texts.

    The first letters decide: "vanishing" is in "vanishes".
    """
    stem = re.compile(rf"\b{re.escape(word[: min(max(len(word) - 3, 4), 7)])}", re.I)
    by_title = [e.name for e in EXPERIMENTS if stem.search(e.title)]
    return by_title or [e.name for e in EXPERIMENTS if stem.search(e.text)]


def _one_blas_thread() -> AbstractContextManager[Any]:
    """Limits BLAS to one thread if threadpoolctl is installed."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits
