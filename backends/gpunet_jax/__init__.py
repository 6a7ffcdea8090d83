"""JAX, through its Array API namespace; the reference program runs under ``jit`` and ``scan``.

The device "all" is all local devices: each has the data and the weights, and computes a part of each batch.
"""

from __future__ import annotations

import importlib.util
import sys
from contextlib import AbstractContextManager
from typing import Any

from gpunet.core.plan import PRECISIONS, Plan
from gpunet.core.program import SUPPORTED, Program, unsupported_input
from gpunet.devices.backend import Backend
from gpunet.installation import install_command

# JAX's names. Its "bfloat16" is its default, which GPUs compute in TF32.
PRODUCTS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "BF16_BF16_F32"}
ALL = "all"
FIRST_TF32 = 8  # compute capability of the first NVIDIA GPUs with TF32 and bfloat16


class JAXBackend(Backend):
    """Arrays of JAX."""

    name = "jax"

    @property
    def install(self) -> str:
        return install_command("jax")

    def unavailable_reason(self) -> str | None:
        if importlib.util.find_spec("jax") is None:
            return "JAX is not installed."
        return None

    def devices(self) -> list[str]:
        import jax

        names = [_name(device) for device in jax.devices()]
        return [*names, ALL] if len(names) > 1 else names

    def namespace(self) -> Any:
        import jax.numpy as xp

        return xp

    def owns(self, array: Any) -> bool:
        jax = sys.modules.get("jax")
        return jax is not None and isinstance(array, jax.Array)

    def from_host(self, array: Any, device: str) -> Any:
        import jax

        if array.dtype.itemsize == 8 and array.dtype.kind == "f" and not jax.config.jax_enable_x64:
            raise ValueError(
                "float64 was requested, but JAX is in its 32-bit mode, which would round it silently. "
                "Set the environment variable JAX_ENABLE_X64=1, or use dtype='float32'."
            )
        return jax.device_put(array, _place(device))

    def has_float64(self, device: str) -> bool:
        import jax

        return bool(jax.config.jax_enable_x64)

    def to_host(self, array: Any) -> Any:
        import numpy

        return numpy.asarray(array)

    def device_of(self, array: Any) -> str:
        devices = array.devices()
        return ALL if len(devices) > 1 else _name(next(iter(devices)))

    def move(self, array: Any, device: str) -> Any:
        import jax

        return jax.device_put(array, _place(device))

    def synchronize(self, device: str) -> None:
        import jax

        jax.device_put(0.0, _place(device)).block_until_ready()

    def memory(self, device: str) -> dict[str, int]:
        figures = _device(device).memory_stats() or {}
        return {"used": figures["bytes_in_use"]} if "bytes_in_use" in figures else {}

    def program_for(self, plan: Plan, device: str) -> tuple[Program | None, str]:
        from gpunet_jax.scan import Scan, scan_program

        if (reason := unsupported_input(Scan, plan)) is not None:
            return None, f"{Scan.name}: {reason}"
        return scan_program(plan, batches() if device == ALL else None), SUPPORTED

    def precisions(self, device: str) -> tuple[str, ...]:
        found = _device(device)
        major = str(getattr(found, "compute_capability", "")).partition(".")[0]
        older = major.isdecimal() and int(major) < FIRST_TF32
        return ("float32",) if found.platform == "cpu" or older else PRECISIONS

    def product_precision(self, precision: str, device: str) -> AbstractContextManager[Any]:
        import jax

        products: AbstractContextManager[Any] = jax.default_matmul_precision(PRODUCTS[precision])
        return products

    def details(self) -> list[str]:
        import jax

        return [f"JAX {jax.__version__}, 64-bit {'on' if jax.config.jax_enable_x64 else 'off'}"]


def _name(device: Any) -> str:
    return "cpu" if device.platform == "cpu" and device.id == 0 else f"{device.platform}:{device.id}"


def _device(name: str) -> Any:
    """A device; of all, the first, which is like the others."""
    import jax

    return next(device for device in jax.devices() if name in (_name(device), ALL))


def _place(name: str) -> Any:
    """A device, or a sharding that gives all of them a copy."""
    import jax

    if name != ALL:
        return _device(name)
    return jax.sharding.NamedSharding(_mesh(), jax.sharding.PartitionSpec())


def batches() -> Any:
    """The sharding of columns over all devices."""
    import jax

    return jax.sharding.NamedSharding(_mesh(), jax.sharding.PartitionSpec(None, "examples"))


def _mesh() -> Any:
    import jax
    import numpy

    return jax.sharding.Mesh(numpy.array(jax.devices()), ("examples",))


backend = JAXBackend()
