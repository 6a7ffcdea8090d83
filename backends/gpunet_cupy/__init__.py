"""CuPy on a CUDA GPU."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gpunet.core.activations import ActivationLike
from gpunet.core.plan import PRECISIONS, Plan
from gpunet.core.program import SUPPORTED, Program, first_supported
from gpunet.devices.backend import Backend
from gpunet.devices.checks import Found, Reach
from gpunet.devices.communicator import Communicator
from gpunet.devices.transfer import Transfer
from gpunet.installation import install_command

# What CUDA's and cuBLAS's own errors say when device memory is used up; CuPy's pool raises a MemoryError.
NO_MEMORY = ("cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED")


class CuPyBackend(Backend):
    """Arrays on a CUDA GPU. Data stay on the device; a step neither transfers nor waits."""

    name = "cupy"
    asynchronous = True
    reads_integers = True

    @property
    def install(self) -> str:
        return f"{install_command('cuda13')} (or cuda12, to match the driver)"

    @functools.cache  # noqa: B019  one instance, for the life of the process
    def unavailable_reason(self) -> str | None:
        if importlib.util.find_spec("cupy") is None:
            return "CuPy is not installed."
        try:
            import cupy

            if not cupy.cuda.is_available():
                return "CuPy is installed, but no CUDA device answers (is there a GPU and its driver?)."
            cupy.zeros(1).sum().item()  # a broken installation shows in the first kernel
        except Exception as error:
            return f"CuPy is installed, but does not work: {type(error).__name__}: {error}."
        return None

    def devices(self) -> list[str]:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
        current = cupy.cuda.runtime.getDevice()
        return [f"cuda:{i}" for i in sorted(range(count), key=lambda i: i != current)]

    def namespace(self) -> Any:
        import array_api_compat.cupy as xp

        return xp

    def owns(self, array: Any) -> bool:
        cupy = sys.modules.get("cupy")
        return cupy is not None and isinstance(array, cupy.ndarray)

    def from_host(self, array: Any, device: str) -> Any:
        import cupy

        with _on(device):
            return cupy.asarray(array)

    def to_host(self, array: Any) -> Any:
        return array.get()

    def device_of(self, array: Any) -> str:
        return f"cuda:{array.device.id}"

    def move(self, array: Any, device: str) -> Any:
        import cupy

        with _on(device):
            return cupy.asarray(array)

    def transfer(self, device: str) -> Transfer:
        from gpunet_cupy.transfer import PinnedTransfer

        return PinnedTransfer(device)

    def communicator(self, device: str) -> Communicator:
        from gpunet_cupy.nccl import NCCL

        return NCCL(device)

    def on(self, device: str) -> Any:
        return _on(device)

    def synchronize(self, device: str) -> None:
        import cupy

        with _on(device):
            cupy.cuda.get_current_stream().synchronize()

    def all_finite(self, arrays: Sequence[Any]) -> bool:
        # Programs return views of one array that hold all of it: two launches will do for them.
        whole = arrays[0].base
        in_one = whole is not None and all(one.base is whole for one in arrays)
        if in_one and sum(one.size for one in arrays) == whole.size:
            arrays = [whole]
        return super().all_finite(arrays)

    def losses_and_finite(self, losses: Any, arrays: Sequence[Any]) -> tuple[Any, bool]:
        from gpunet_cupy.checks import losses_and_finite

        return losses_and_finite(losses, arrays) or super().losses_and_finite(losses, arrays)

    def begin_check(
        self, rows: Any | None, y: Any | None, reach: Reach, every: int
    ) -> Callable[[], Found] | None:
        from gpunet_cupy.checks import begin_check

        return begin_check(rows, y, reach, every)

    def one_hot(self, classes: Any, units: int, dtype: str) -> Any:
        from gpunet_cupy.checks import one_hot

        rows = one_hot(classes, units, dtype)
        return super().one_hot(classes, units, dtype) if rows is None else rows

    def memory(self, device: str) -> dict[str, int]:
        import cupy

        with _on(device):
            pool = cupy.get_default_memory_pool()
            return {"used": pool.used_bytes(), "pool": pool.total_bytes()}

    def out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, MemoryError) or any(name in str(error) for name in NO_MEMORY)

    def program_for(self, plan: Plan, device: str) -> tuple[Program | None, str]:
        from gpunet_cupy.kept import KEPT
        from gpunet_cupy.programs import programs

        kept = KEPT.take(plan, device)
        if kept is not None:
            return kept, SUPPORTED
        program, reason = first_supported(programs(plan), plan, device)
        if program is None:
            return None, reason
        with _on(device):  # for which kernels are compiled
            return program(plan, device), reason

    def has_program(self, plan: Plan, device: str) -> bool:
        from gpunet_cupy.programs import programs

        # The program that is kept for the next run stays kept.
        return first_supported(programs(plan), plan, device)[0] is not None

    def precisions(self, device: str) -> tuple[str, ...]:
        from gpunet_cupy.products import has_bfloat16

        return PRECISIONS if has_bfloat16(device) else ("float32",)

    def predictor(
        self, activations: Sequence[ActivationLike], parameters: Any
    ) -> Callable[[Any], Any | None] | None:
        from gpunet_cupy.predict import Predictor, supports

        if not supports(activations, parameters):
            return None
        return Predictor([str(name) for name in activations], parameters)

    def details(self) -> list[str]:
        import cupy

        return [f"CuPy {cupy.__version__}, CUDA runtime {cupy.cuda.runtime.runtimeGetVersion()}"]


def _on(device: str) -> Any:
    from gpunet_cupy.sources import device_context

    return device_context(device)


backend = CuPyBackend()
