"""PyTorch on the CPU or a CUDA GPU, through its Array API namespace."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from gpunet.core.plan import PRECISIONS, Plan
from gpunet.core.program import Program
from gpunet.devices.backend import NO_PROGRAM, Backend
from gpunet.installation import install_command

T = TypeVar("T")

FIRST_TF32 = (8, 0)  # compute capability of the first GPUs with TF32
FASTER = "backend={!r} trains on the memory of the same tensors with programs of its own"


class TorchBackend(Backend):
    """Tensors of PyTorch; gradients are gpunet's own, autograd is not used."""

    name = "torch"

    @property
    def install(self) -> str:
        return install_command("torch")

    def unavailable_reason(self) -> str | None:
        if importlib.util.find_spec("torch") is None:
            return "PyTorch is not installed."
        return None

    def devices(self) -> list[str]:
        import torch

        return [*(f"cuda:{i}" for i in range(torch.cuda.device_count())), "cpu"]

    def namespace(self) -> Any:
        import array_api_compat.torch as xp

        return xp

    def owns(self, array: Any) -> bool:
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(array, torch.Tensor)

    def from_host(self, array: Any, device: str) -> Any:
        import torch

        # A copy: tensors can't be read-only, and the caller's array must stay as it is.
        return torch.tensor(array, device=device)

    def to_host(self, array: Any) -> Any:
        import torch

        tensor = _dense(array).detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # NumPy has no bfloat16

    def on_one_core(self, function: Callable[..., T], *arguments: Any) -> T:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return function(*arguments)
        finally:
            torch.set_num_threads(threads)

    def device_of(self, array: Any) -> str:
        return "cpu" if array.device.type == "cpu" else f"{array.device.type}:{array.device.index}"

    def move(self, array: Any, device: str) -> Any:
        return _dense(array).detach().to(device)

    def synchronize(self, device: str) -> None:
        import torch

        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    def memory(self, device: str) -> dict[str, int]:
        import torch

        if not device.startswith("cuda"):
            return {}
        return {
            "used": torch.cuda.memory_allocated(device),
            "pool": torch.cuda.memory_reserved(device),
        }

    def out_of_memory(self, error: Exception) -> bool:
        import torch

        return isinstance(error, MemoryError | torch.OutOfMemoryError)

    def precisions(self, device: str) -> tuple[str, ...]:
        import torch

        has_tf32 = device.startswith("cuda") and torch.cuda.get_device_capability(device) >= FIRST_TF32
        return PRECISIONS if has_tf32 else ("float32",)

    def program_for(self, plan: Plan, device: str) -> tuple[Program | None, str]:
        other = "numpy" if device == "cpu" else "cupy" if device.startswith("cuda") else None
        return None, NO_PROGRAM if other is None else f"{NO_PROGRAM}; {FASTER.format(other)}"

    @contextmanager
    def product_precision(self, precision: str, device: str) -> Iterator[None]:
        """PyTorch's setting for products on CUDA; it is the process's, and is put back at the end.

        There is none for bfloat16 factors with float32 sums. As with ``set_float32_matmul_precision("medium")``, TF32
        stands in.
        """
        if not device.startswith("cuda"):
            yield
            return
        import torch

        matmul = torch.backends.cuda.matmul
        new = hasattr(matmul, "fp32_precision")  # from PyTorch 2.9 on

        def choose(value: str) -> None:
            if new:
                matmul.fp32_precision = value
            else:
                torch.set_float32_matmul_precision(value)

        before = matmul.fp32_precision if new else torch.get_float32_matmul_precision()
        exact, tf32 = ("ieee", "tf32") if new else ("highest", "high")
        choose(exact if precision == "float32" else tf32)
        try:
            yield
        finally:
            choose(before)

    def details(self) -> list[str]:
        import torch

        return [f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"]


def _dense(tensor: Any) -> Any:
    """A tensor that is no sparse one; PyTorch lacks most operations for those."""
    import torch

    if tensor.layout != torch.strided:
        raise TypeError(
            f"a tensor of layout {str(tensor.layout).removeprefix('torch.')} is none that is computed with: pass "
            "tensor.to_dense(), or the rows as a scipy.sparse.csr_array, which stays sparse"
        )
    return tensor


backend = TorchBackend()
