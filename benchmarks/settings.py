"""What a run of the suite is asked for."""

from __future__ import annotations

from dataclasses import dataclass

# On a GPU turns can be short, and what is measured there: cases of each table, those of other tables all.
ON_GPU = {
    "test_throughput": lambda case: (
        case.net in ("shallow", "deep")
        and case.batch != 8
        and (case.optimizer == "plain" or (case.net, case.batch, case.optimizer) == ("shallow", 128, "adam"))
    ),
    "test_equal": lambda case: case.net in ("shallow", "deep") and case.optimizer != "momentum",
    "test_inference": lambda case: case.net == "shallow",
    "test_first_epoch": lambda case: False,  # most of it is how long libraries take to find the GPU
    "test_time_to_98": lambda case: case.batch != 8,
    "test_memory": lambda case: False,  # a process's own memory is not the GPU's
}


def device_of(backend):
    """Where the peers of one of gpunet's backends compute."""
    return "cuda" if backend.startswith("cupy") or "cuda" in backend else "cpu"


def chosen(table, cases, backend):
    """Those of a table's cases that say something where `backend` computes."""
    says = ON_GPU.get(table, lambda case: True)
    return [case for case in cases if device_of(backend) == "cpu" or says(case)]


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
        return device_of(self.backend)

    def variables(self, name):
        """Environment variables for the process of a contender."""
        if self.device == "cuda":
            # Real float32 for all, and no process takes most of the memory for itself.
            return {"NVIDIA_TF32_OVERRIDE": "0", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        if not name.startswith("gpunet"):
            return {"JAX_PLATFORMS": "cpu"}
        return {}
