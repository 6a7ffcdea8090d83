"""The CUDA kernels of this package: how a module's source is put together, compiled and launched.

The files are in the folder ``kernels``, where README.md says how to change one. A module is one ``.cu`` file with the
headers that it includes, after macros for the plan's sizes and names; SIGMOID, CROSS_ENTROPY or ADAM are such names.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from gpunet.core.activations import LEAK, SELU_ALPHA, SELU_SCALE

FOLDER = Path(__file__).with_name("kernels")
INCLUDE = re.compile(r'#include "(.+)"')
TYPES = {"float32": "float", "float64": "double"}
THREADS = 256  # per thread block, unless a kernel has another number

Macro = str | int | float


def source(dtype: str, file: str, **macros: Macro) -> str:
    """The source of a module: its macros, then `file` with its headers in place of ``#include``.

    Macros are part of the source: as compiler options they would reach the compiler's own headers too.
    """
    constants = {"LEAK": LEAK, "SELU_ALPHA": SELU_ALPHA, "SELU_SCALE": SELU_SCALE}
    defined = "".join(f"#define {name} {value}\n" for name, value in {**constants, **macros}.items())
    return f"{defined}using T = {TYPES[dtype]};\n{_included(file, set())}"


def _included(file: str, seen: set[str]) -> str:
    """The text of a file under `FOLDER`, with each header that is not in `seen` in place of its ``#include``.

    The compiler gets one text. ``#line`` tells it which file and line each part comes from, for its messages.
    """
    seen.add(file)
    path = FOLDER.relative_to(FOLDER.parents[1]) / file
    lines = [f'#line 1 "{path.as_posix()}"']
    for number, line in enumerate((FOLDER / file).read_text(encoding="utf-8").splitlines(), start=1):
        header = INCLUDE.fullmatch(line)
        if header and header[1] not in seen:
            lines += [_included(header[1], seen), f'#line {number + 1} "{path.as_posix()}"']
        else:  # an empty line in place of what only editors and other compilers need
            lines.append("" if header or line == "#pragma once" else line)
    return "\n".join(lines)


def device_context(name: str) -> Any:
    """CuPy's device of that name, such as ``cuda:1``; in a ``with`` statement, the current one."""
    import cupy

    return cupy.cuda.Device(int(name.partition(":")[2] or 0))


def module(dtype: str, file: str, **macros: Macro) -> Any:
    """A module; CuPy compiles it when it is asked for a kernel, for the device that is current then."""
    import cupy

    return _module(cupy.RawModule, dtype, file, tuple(macros.items()))


@functools.lru_cache(maxsize=256)
def _module(kind: Any, dtype: str, file: str, macros: tuple[tuple[str, Macro], ...]) -> Any:
    """Modules are kept: putting a source together takes longer than a short epoch."""
    return kind(code=source(dtype, file, **dict(macros)))


def function(dtype: str, file: str, name: str, **macros: Macro) -> Any:
    """A kernel of a module, which is kept."""
    import cupy

    return _function(cupy.RawModule, dtype, file, name, tuple(macros.items()))


@functools.lru_cache(maxsize=256)
def _function(kind: Any, dtype: str, file: str, name: str, macros: tuple[tuple[str, Macro], ...]) -> Any:
    return _module(kind, dtype, file, macros).get_function(name)


class KernelOfX:
    """A kernel that reads X: compiled for each kind of X that it is given.

    Parameters
    ----------
    dtype, file
        As for :func:`module`.
    name : str
        Of the kernel.
    **macros
        Without those of ``common/given.cuh``.
    """

    def __init__(self, dtype: str, file: str, name: str, **macros: Macro) -> None:
        self.dtype, self.file, self.name, self.macros = dtype, file, name, macros
        self.kinds: dict[tuple[Macro, ...], Any] = {}

    def of(self, given: dict[str, Macro]) -> Any:
        """The kernel with these macros of ``common/given.cuh``."""
        kind = tuple(given.values())
        if kind not in self.kinds:
            compiled = module(self.dtype, self.file, **self.macros, **given)
            self.kinds[kind] = compiled.get_function(self.name)
        return self.kinds[kind]


def launch(kernel: Any, threads: int, *arguments: Any) -> None:
    """Launch a kernel with at least `threads` threads, on CuPy's current stream, without waiting for it."""
    kernel((-(-threads // THREADS),), (THREADS,), arguments)


def launch_cooperative(
    kernel: Any, thread_blocks: int, threads: int, shared_bytes: int, *arguments: Any
) -> None:
    """Launch a kernel with a grid barrier: its thread blocks all run at the same time.

    CuPy warns and launches fewer where they do not all fit, and the barrier would wait for ever. So there are at most
    as many as multiprocessors, each of which has room for one.
    """
    kernel.max_dynamic_shared_size_bytes = shared_bytes
    # As RawKernel calls its function, with its last argument, `enable_cooperative_groups`, set.
    kernel.kernel((thread_blocks,), (threads,), arguments, shared_bytes, None, True)
