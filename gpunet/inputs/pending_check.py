"""A check of the examples of a run that the device does while the host prepares it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet.core.layers import Dense
from gpunet.core.losses import LossLike
from gpunet.devices.checks import Found
from gpunet.devices.placement import Placement
from gpunet.devices.registry import backend_of
from gpunet.inputs.targets import are_class_numbers, reach_of

Array = Any

SAMPLE = 1000  # examples whose size is measured before training


class PendingCheck:
    """What is still to be seen of examples that are ready otherwise.

    Parameters
    ----------
    found : callable or None
        Waits for the device, see :meth:`gpunet.Backend.begin_check`; None if there is nothing to see.
    check : callable
        Raises an error that names the first row at fault, where there is one.

    Attributes
    ----------
    mean_size : float or None
        The mean of ``|x|`` over some of the examples; None where it was not measured.
    """

    def __init__(self, found: Callable[[], Found] | None, check: Callable[[], Any]) -> None:
        self._found, self._check = found, check
        self.mean_size: float | None = None

    def settle(self) -> None:
        """Wait for the result; from now on nothing is to be seen.

        Raises
        ------
        ValueError, TypeError
            Naming the first row at fault.
        """
        if self._found is None:
            return
        good, self.mean_size = self._found()
        self._found = None
        if not good:
            self._check()


NOTHING_PENDING = PendingCheck(None, lambda: None)


def sampled_every(m: int) -> int:
    """Every how many of m examples are in the sample."""
    return max(m // SAMPLE, 1)


def begun(
    placement: Placement, rows: Array | None, y: Any, m: int, output: Dense, loss: LossLike
) -> tuple[Callable[[], Found] | None, bool]:
    """Begin to check rows ``(m, n)``, and targets that are on the same device; whether these are among what is checked.

    Where the backend has nothing for it, None.
    """
    backend, device = placement
    shape = tuple(getattr(y, "shape", ()))
    classes = are_class_numbers(shape, m, output.units)
    fits = shape in ((m,), (m, 1)) if classes else shape in ((m, output.units), (m,))
    there = fits and backend_of(y) is backend and backend.device_of(y) == device
    reach = reach_of(classes, output.units, output.activation, loss)
    found = backend.begin_check(rows, y if there else None, reach, sampled_every(m))
    if found is None and there:
        there, found = False, backend.begin_check(rows, None, reach, sampled_every(m))
    return found, there
