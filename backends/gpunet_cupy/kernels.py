"""The CUDA kernels of this package: their sources, and the macros that settle a plan's names and sizes.

Sources lie in the folder ``kernels``. They include nothing: a module is a few of them, joined. What they call
IDENTITY, CROSS_ENTROPY or ADAM is the name in capitals that a plan says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpunet.core.activations import LEAK, SELU_ALPHA, SELU_SCALE
from gpunet.core.optimizers import Adam, GradientDescent, Optimizer

FOLDER = Path(__file__).with_name("kernels")
REAL = {"float32": "float", "float64": "double"}
THREADS = 256  # of a thread block, where nothing asks for another number

Macro = str | int | float


def source(dtype: str, *names: str, **macros: Macro) -> str:
    """The sources called `names`, after the one that all share and what settles their names and sizes.

    Macros stand in the source: as compiler options they would reach the compiler's own headers too.
    """
    given = {"T": REAL[dtype], "LEAK": LEAK, "SELU_ALPHA": SELU_ALPHA, "SELU_SCALE": SELU_SCALE, **macros}
    defined = "".join(f"#define {name} {value}\n" for name, value in given.items())
    texts = [(FOLDER / f"{name}.cu").read_text(encoding="utf-8") for name in ("common", *names)]
    return "\n".join([defined, *texts])


def device_called(name: str) -> Any:
    """CuPy's device for a name such as ``cuda:1``; as a context, the current one."""
    import cupy

    return cupy.cuda.Device(int(name.partition(":")[2] or 0))


def module(dtype: str, *names: str, **macros: Macro) -> Any:
    """A module that CuPy compiles for the device at hand when a kernel is first asked for."""
    import cupy

    return cupy.RawModule(code=source(dtype, *names, **macros))


def launch(kernel: Any, threads: int, *arguments: Any) -> None:
    """Run a kernel with at least `threads` threads, on CuPy's current stream; waits for nothing."""
    kernel((-(-threads // THREADS),), (THREADS,), arguments)


def launch_together(kernel: Any, blocks: int, threads: int, shared: int, *arguments: Any) -> None:
    """Run a kernel whose blocks wait for each other: all of them are on the device at once, or it fails."""
    kernel.max_dynamic_shared_size_bytes = shared
    kernel.kernel((blocks,), (threads,), arguments, shared, None, True)  # as RawKernel calls it, but together


def rule(optimizer: Optimizer) -> dict[str, Macro]:
    """The macros of an update rule."""
    if isinstance(optimizer, GradientDescent):
        name = ("NESTEROV" if optimizer.nesterov else "MOMENTUM") if optimizer.momentum else "PLAIN"
        beta1, beta2, epsilon, count = optimizer.momentum, 0.0, 0.0, 1
    elif isinstance(optimizer, Adam):
        name, count = "ADAM", 3
        beta1, beta2, epsilon = optimizer.beta1, optimizer.beta2, optimizer.epsilon
    else:
        name, count = "RMSPROP", 1
        beta1, beta2, epsilon = optimizer.decay, 0.0, optimizer.epsilon
    return {
        "RULE": name,
        "DECAY": float(optimizer.weight_decay),
        "BETA1": float(beta1),
        "BETA2": float(beta2),
        "EPSILON": float(epsilon),
        "COEFFICIENTS": count,
    }
