"""What a backend is: one array library and its devices.

A backend hides its library's namespace, devices, transfers, synchronisation and memory figures, and, where it can,
offers a faster program for a whole plan.
"""

from __future__ import annotations

import functools
import importlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from gpunet.core.accumulation import PartGradients
from gpunet.core.activations import ActivationLike
from gpunet.core.plan import Plan
from gpunet.core.program import Program
from gpunet.devices.checks import Found, Reach
from gpunet.devices.communicator import Communicator
from gpunet.devices.transfer import Transfer

Array = Any
Namespace = Any
T = TypeVar("T")

NO_PROGRAM = "this backend has no program of its own"


class HostPredictor(ABC):
    """A forward pass that takes a few rows from the host too, without :meth:`gpunet.Backend.from_host` for each call.

    Attributes
    ----------
    host_rows : int
        How many, at most.
    """

    host_rows: int

    @abstractmethod
    def __call__(self, rows: Array) -> Array | None:
        """See :meth:`gpunet.Backend.predictor`."""

    @abstractmethod
    def from_host(self, rows: Any) -> Any | None:
        """The same from NumPy rows to NumPy rows, which need not be contiguous."""


class Backend(ABC):
    """One array library.

    Attributes
    ----------
    name : str
        As given to ``backend=`` and ``--backend``.
    install : str
        The command that installs the library.
    entry_point : str or None
        Where gpunet has found it, as ``module:attribute``; a backend leaves it alone.
    asynchronous : bool
        Whether programs return while the device still works: then the host draws the next epoch's order meanwhile.
    reads_integers : bool
        Whether programs of its own take small integers as they are: then ``fit`` leaves an X of them so on the device.
    sparse_products : bool
        Whether the library's arrays have products with SciPy's sparse ones; else a batch of those is made dense.
    """

    name: str
    entry_point: str | None = None
    asynchronous: bool = False
    reads_integers: bool = False
    sparse_products: bool = False

    @property
    def install(self) -> str:
        """The command that installs the library; a backend may have it as an attribute."""
        raise NotImplementedError(
            f"{type(self).__name__} needs an attribute install: the command for its library"
        )

    @abstractmethod
    def unavailable_reason(self) -> str | None:
        """Why it can't be used here, in a sentence; None if it can. Never raises."""

    @abstractmethod
    def devices(self) -> list[str]:
        """Usable devices, the default first, for example ``["cuda:0", "cuda:1"]``."""

    @abstractmethod
    def namespace(self) -> Namespace:
        """The library's Array API namespace."""

    @abstractmethod
    def owns(self, array: Any) -> bool:
        """Whether `array` is of this library. Must not import it."""

    @abstractmethod
    def from_host(self, array: Any, device: str) -> Array:
        """A NumPy array, copied to `device` (shared with the host where that is the same memory).

        It is contiguous and in the machine's byte order.

        Raises
        ------
        ValueError
            For float64 where the device has none; the message says what to do.
        """

    @abstractmethod
    def to_host(self, array: Array) -> Any:
        """An array of this library as a NumPy array."""

    def device_of(self, array: Array) -> str:
        """The device that holds `array`, named as in :meth:`devices`; for a library with several, to be overridden."""
        return self.devices()[0]

    def move(self, array: Array, device: str) -> Array:
        """`array`, of this library, on `device`; for a library with several, to be overridden."""
        return array

    def on(self, device: str) -> AbstractContextManager[Any]:
        """A context in which `device` is the library's current device, for libraries that have one."""
        return nullcontext()

    def transfer(self, device: str) -> Transfer:
        """Copies from the host to `device` for a run whose examples are read block by block."""
        return Transfer(lambda array: self.from_host(array, device))

    def communicator(self, device: str) -> Communicator | None:
        """What carries arrays from `device` to those of other processes; None if they go through the host's memory."""
        return None

    def has_float64(self, device: str) -> bool:
        """Whether `device` computes in float64."""
        return True

    def synchronize(self, device: str) -> None:  # noqa: B027  nothing to wait for, by default
        """Wait until all work queued on `device` is done."""

    def all_finite(self, arrays: Sequence[Array]) -> bool:
        """Whether no array, of at least one, holds NaN or infinity. The host waits for the device once."""
        xp = self.namespace()
        return bool(functools.reduce(operator.and_, (xp.all(xp.isfinite(array)) for array in arrays)))

    def losses_and_finite(self, losses: Array, arrays: Sequence[Array]) -> tuple[Any, bool]:
        """Losses as a NumPy array, and what :meth:`all_finite` says, for which the host may wait once for both."""
        return self.to_host(losses), self.all_finite(arrays)

    def begin_check(
        self, rows: Array | None, y: Array | None, reach: Reach, every: int
    ) -> Callable[[], Found] | None:
        """Begin to check examples on the device, where there is something faster than one operation after the other.

        Parameters
        ----------
        rows : array ``(m, n)`` or None
            X, of floating-point numbers.
        y : array or None
            Targets of m examples.
        reach : Reach
            Of the targets.
        every : int
            Every how many rows are sampled for the mean size.

        Returns
        -------
        callable or None
            Waits for the result. It need not find what is only just wrong.
        """
        return None

    def one_hot(self, classes: Array, units: int, dtype: str) -> Array:
        """Class numbers ``(m,)``, of any real dtype, as rows ``(m, units)`` with a 1; all 0 for another number."""
        xp = self.namespace()
        numbers = xp.arange(units, dtype=classes.dtype, device=classes.device)
        return xp.astype(classes[:, None] == numbers[None, :], getattr(xp, dtype))

    def memory(self, device: str) -> dict[str, int]:
        """Bytes in use, by name (``"used"``, ``"pool"``, …); empty where the library doesn't say."""
        return {}

    def out_of_memory(self, error: Exception) -> bool:
        """Whether `error` says that a device or the host has no memory left."""
        return isinstance(error, MemoryError)

    def program_for(self, plan: Plan, device: str) -> tuple[Program | None, str]:
        """The fastest program for `plan` on `device`, and why it was chosen; None and why there is none.

        Without a program of the backend's own, the reference runs.
        """
        return None, NO_PROGRAM

    def has_program(self, plan: Plan, device: str) -> bool:
        """Whether :meth:`program_for` gives a program. A backend whose programs are costly to make answers without."""
        return self.program_for(plan, device)[0] is not None

    def part_gradients(self, plan: Plan, device: str) -> PartGradients | None:
        """A faster way to J and the gradients of some examples of a batch; None if there is none.

        Parameters
        ----------
        plan : Plan
            In parts: its batches are larger than what is in memory at a time.
        device : str

        Returns
        -------
        callable or None
            ``(parameters, X (n[0], m), Y (n[L], m), weights (1, m) or None) -> (J, [(dW, db), …])``, means over the m
            examples, without the penalty. The arrays are the caller's own.
        """
        return None

    def precisions(self, device: str) -> tuple[str, ...]:
        """The precisions of ``gpunet.core.plan.PRECISIONS`` that training on `device` offers."""
        return ("float32",)

    def product_precision(self, precision: str, device: str) -> AbstractContextManager[Any]:
        """A context in which the library's own matrix products on `device` have one of its `precisions`.

        Programs run in it. A program with products of its own reads ``plan.precision``.
        """
        return nullcontext()

    def compiling(self, setting: str | None) -> AbstractContextManager[Any]:
        """A context in which programs are compiled as `setting` says, for backends that compile on the CPU.

        "background" compiles in another process, "wait" before the first use, "never" not at all; None leaves it to the
        environment variable ``GPUNET_COMPILE``.
        """
        return nullcontext()

    def on_one_core(self, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` while the library computes on one core of the CPU, where it would take several."""
        return function(*arguments)

    def predictor(
        self, activations: Sequence[ActivationLike], parameters: Any
    ) -> Callable[[Array], Array | None] | None:
        """A faster forward pass of these weights, from rows to rows; None if there is none.

        The weights do not change while it is in use, and it may copy them. Rows have the network's shape, dtype and
        device, but may hold NaN or infinity: then it returns None. One that is a
        :class:`~gpunet.devices.backend.HostPredictor` is given few rows that are on the host as they are there.
        """
        return None

    def forward_pass(
        self, activations: Sequence[ActivationLike]
    ) -> Callable[[Any, Array], tuple[Array, Array]] | None:
        """``A[L]`` and ``Z[L]`` for parameters and columns, in a way of the backend's own; None: as the core does it.

        For parameters that change, as those between epochs; :meth:`predictor` is for those that stay.
        """
        return None

    def details(self) -> list[str]:
        """Lines that ``gpunet info`` prints: versions and settings that matter for speed."""
        return []

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied and pickled by reference, as the global variable that it is.
        if self.entry_point is None:
            raise TypeError(
                f"a backend is copied and pickled by its entry point, and gpunet has found {self!r} by none: take it "
                f"from gpunet.get_backend({self.name!r})"
            )
        return backend_at, (self.entry_point,)


def backend_at(entry_point: str) -> Any:
    """What an entry point names, which should be a backend.

    Parameters
    ----------
    entry_point : str
        ``module:attribute``; without the attribute it is ``backend``.
    """
    module, _, attribute = entry_point.partition(":")
    names = (attribute or "backend").split(".")
    found = functools.reduce(getattr, names, importlib.import_module(module))
    if isinstance(found, Backend):
        found.entry_point = entry_point
    return found
