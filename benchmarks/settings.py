"""Settings of a run of the suite, which every measuring process receives."""

from __future__ import annotations

from dataclasses import dataclass


def device_of(backend):
    """Kind of device (``"cpu"`` or ``"cuda"``) on which the peers run beside gpunet's backend `backend`."""
    return "cuda" if backend.startswith("cupy") or "cuda" in backend else "cpu"


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes
    ----------
    backend : str
        gpunet's, for example ``"numpy"`` or ``"cupy:0"``.
    folder : str
        A temporary one, for data sets, logs and compile caches.
    threads : int
        Per implementation.
    sample_seconds : float
        Shortest time that a sample measures.
    rounds : int
        Samples of each implementation per case.
    """

    backend: str
    folder: str
    threads: int
    sample_seconds: float = 0.25
    rounds: int = 5

    @property
    def device(self):
        """Kind of device on which the peers run."""
        return device_of(self.backend)
