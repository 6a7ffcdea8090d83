"""Which program runs a plan: a compiled one, one in plain NumPy, or the reference.

The compiled programs need numba, SciPy and threadpoolctl (the extra ``fast``). A plan begins in plain NumPy
(:mod:`gpunet_numpy.tiered`) if its program has yet to be compiled (:mod:`gpunet_numpy.compiling`).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

from gpunet.core.accumulation import PartGradients
from gpunet.core.activations import ActivationLike
from gpunet.core.plan import Plan
from gpunet.core.program import SUPPORTED, Program, first_supported
from gpunet.installation import install_command
from gpunet_numpy.compiling import COMPILING, NEVER, VARIABLE, setting, unready_reason
from gpunet_numpy.kept import KEPT
from gpunet_numpy.openblas import choose_core_type
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.plain.estimate import epoch_seconds
from gpunet_numpy.plain.reference import PlainReference
from gpunet_numpy.tiered import Tiered

PLAIN = (Blocked, Accumulation)
# In the order in which they are tried.
COMPILED = (("columns", "Columns"), ("tiny", "Tiny"), ("blocked", "Blocked"), ("minibatch", "MiniBatch"))
COMPILED_SPARSE = (("sparse_rows", "SparseRows"),)
NEEDED = ("numba", "scipy", "threadpoolctl")

# A run whose epochs plain NumPy does faster than this may be over soon: nothing is compiled before it has gone on for
# some time, by an estimate.
SHORT_SECONDS, WORTH_SECONDS = 0.05, 0.3
WORTH_WEIGHTS = 50_000  # a smaller network predicts in microseconds without compiled code
WORTH = 10_000_000  # multiply-adds of a pass that is worth laying the weights out for compiled code


def compiled_unavailable_reason() -> str | None:
    """Why the compiled programs can't run here, or are not to; None if they can."""
    return f"{VARIABLE}={NEVER}" if setting() == NEVER else _missing()


@functools.cache
def _missing() -> str | None:
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed ({install_command('fast')})"
    choose_core_type()
    try:
        _compiled()
        importlib.import_module("gpunet_numpy.compiled.cache").machine()  # loads LLVM
        importlib.import_module("gpunet_numpy.compiled.pool").pool().start(1)
    except (
        ImportError,
        OSError,
        RuntimeError,
    ) as error:  # a library that does not fit, or there is no thread
        return f"they do not work here ({error})"
    return None


def _compiled(sparse: bool = False) -> list[type[Program]]:
    return [
        getattr(importlib.import_module(f"gpunet_numpy.compiled.{package}.program"), name)
        for package, name in (COMPILED_SPARSE if sparse else COMPILED)
    ]


def compiled_program(plan: Plan, start: bool = True) -> tuple[type[Program] | None, str]:
    """The compiled program that supports `plan`, or None and why none does, or is not ready yet.

    With `start`, what is not ready begins to be compiled.
    """
    reason = compiled_unavailable_reason()
    if reason is not None:
        return None, f"compiled programs: {reason}"
    compiled, reason = first_supported(_compiled(plan.sparse), plan, "cpu")
    if compiled is None or (unready := unready_reason(compiled, plan.dtype, start)) is None:
        return compiled, reason
    return None, unready


def program_for(plan: Plan) -> tuple[Program | None, str]:
    """See :meth:`gpunet.devices.backend.Backend.program_for`."""
    plain, plain_reason = first_supported(PLAIN, plan, "cpu")
    short = epoch_seconds(plan) < SHORT_SECONDS
    compiled, reason = compiled_program(plan, start=not short)
    if compiled is not None:
        kept = KEPT.take(plan, "cpu")
        return kept if type(kept) is compiled and kept.is_current() else compiled(plan), SUPPORTED
    if reason == COMPILING:
        if not short:
            return Tiered(plan, plain, compiled_program, 0.0), reason
        later = f"compiled programs: compiled in another process once the run has lasted {WORTH_SECONDS:g} s"
        return Tiered(plan, plain, compiled_program, WORTH_SECONDS), later
    if plain is not None:
        return plain(plan), SUPPORTED
    return PlainReference(plan), f"{reason}; {plain_reason}"


def part_gradients(plan: Plan) -> PartGradients | None:
    """See :meth:`gpunet.devices.backend.Backend.part_gradients`."""
    if compiled_unavailable_reason() is not None:
        return None
    compiled = importlib.import_module("gpunet_numpy.compiled.gradients").CompiledGradients
    if (
        compiled.unsupported_reason(plan) is not None
        or unready_reason(compiled.program, plan.dtype) is not None
    ):
        return None
    made: PartGradients = compiled(plan)
    return made


def predictor(activations: Sequence[ActivationLike], parameters: Any) -> Callable[[Any], Any | None] | None:
    """A compiled forward pass, or None where there is none.

    Nothing is compiled for networks whose single product is not worth it. Where there is code already, they have it
    from the first call with many rows on; before that it is not even looked for.
    """
    arguments = [str(name) for name in activations], parameters
    if sum(W.size for W, _ in parameters) < WORTH_WEIGHTS:
        return PredictorLater(*arguments, least=WORTH, start_compiling=False)
    if not has_compiled_forward(activations):
        return None
    from gpunet_numpy.compiled.predict.program import Predictor

    ready = unready_reason(Predictor, str(parameters[0][0].dtype)) is None
    return Predictor(*arguments) if ready else PredictorLater(*arguments)


def has_compiled_forward(activations: Sequence[ActivationLike]) -> bool:
    """Whether there is, or can be, a compiled forward pass."""
    if compiled_unavailable_reason() is not None:
        return False
    from gpunet_numpy.compiled.predict.program import Predictor

    return Predictor.supports(activations)


class PredictorLater:
    """None, which stands for plain NumPy's forward pass, until a predictor is compiled; then what that returns.

    Parameters
    ----------
    activations : list of str
    parameters : sequence of ``(W, b)``
    least : int
        Multiply-adds of a call that the first one must have.
    start_compiling : bool
        Whether to have it compiled.
    """

    def __init__(
        self, activations: list[str], parameters: Any, least: int = 0, start_compiling: bool = True
    ) -> None:
        self.made_of = activations, parameters
        self.least, self.start_compiling = least, start_compiling
        self.predictor: Callable[[Any], Any | None] | None = None

    def __call__(self, X: Any) -> Any | None:
        """See :meth:`gpunet.devices.backend.Backend.predictor`."""
        if self.predictor is None:
            activations, parameters = self.made_of
            if len(X) * sum(W.size for W, _ in parameters) < self.least or not has_compiled_forward(
                activations
            ):
                return None
            from gpunet_numpy.compiled.predict.program import Predictor

            dtype = str(parameters[0][0].dtype)
            if unready_reason(Predictor, dtype, self.start_compiling) is not None:
                return None
            self.predictor = Predictor(*self.made_of)
        return self.predictor(X)
