"""The experiments in the lecture's order, and how to find one."""

from __future__ import annotations

import difflib
import importlib
import inspect
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

from gpunet.lecture import figures
from gpunet.lecture.result import Result


@dataclass(frozen=True)
class Experiment:
    """One script of this folder.

    Attributes
    ----------
    name : str
        Of its module, and on the command line.
    """

    name: str

    @cached_property
    def module(self) -> ModuleType:
        """The script itself."""
        return importlib.import_module(f"gpunet.lecture.{self.name}")

    @property
    def title(self) -> str:
        """A few words."""
        return str(self.module.TITLE)

    @property
    def claims(self) -> tuple[str, ...]:
        """Numbers of the claims that it shows, such as ``("C1", "C2")``."""
        return tuple(self.module.CLAIMS)

    @property
    def text(self) -> str:
        """Claim and equations: the script's docstring."""
        return inspect.cleandoc(self.module.__doc__ or "")

    @property
    def source(self) -> str:
        """The code, without the docstring."""
        return inspect.getsource(self.module).split('"""', 2)[2].strip() + "\n"

    def run(self, backend: str = "numpy", seed: int = 0) -> Result:
        """Run it on a backend, from a seed.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        with figures.style():
            result: Result = self.module.run(backend=backend, seed=seed)
        return result


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
    """Return the experiments that a claim's number, a name or "all" means, in the lecture's order.

    Raises
    ------
    ValueError
        If there is none; it names the nearest.
    """
    if what.lower() == "all":
        return list(EXPERIMENTS)
    found = [e for e in EXPERIMENTS if what.lower() == e.name or what.upper() in e.claims]
    if found:
        return found
    claims = sorted({claim for e in EXPERIMENTS for claim in e.claims}, key=lambda claim: int(claim[1:]))
    names = [e.name for e in EXPERIMENTS]
    if what[:1].upper() == "C" and what[1:].isdigit():
        near = claims[0] if int(what[1:]) < 1 else claims[-1]
    else:
        near = (difflib.get_close_matches(what.lower(), names, 1, 0.0) or names)[0]
    raise ValueError(
        f"the lecture has no experiment {what!r}; the nearest is {near!r}. It takes a claim, {claims[0]} to "
        f"{claims[-1]}, 'all', or a name: {', '.join(names)}."
    )
