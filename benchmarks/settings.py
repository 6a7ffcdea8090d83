"""What a run of the suite is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`seconds` is how long one turn of a contender lasts at least, `rounds` how often each has its turn."""

    backend: str
    folder: str
    threads: int
    seconds: float = 0.3
    rounds: int = 5

    @property
    def device(self):
        """Where the peers compute."""
        return "cuda" if self.backend.startswith("cupy") or "cuda" in self.backend else "cpu"

    def variables(self, name):
        """Environment variables for the process of a contender."""
        if self.device == "cpu" and not name.startswith("gpunet"):
            return {"JAX_PLATFORMS": "cpu"}
        return {}
