"""Kernels as Python calls them: compiled for the types of their arguments, or loaded from disk.

Compiling takes numba and some seconds (:mod:`gpunet_numpy.compiled.compiler`), once per machine. Then the machine code
is on disk (:mod:`gpunet_numpy.compiled.cache`), and neither numba nor a kernel's own module is imported to run it:
llvmlite alone loads it, within about 0.1 s.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import threading
from collections.abc import Callable
from typing import Any

from gpunet_numpy.compiled import cache
from gpunet_numpy.compiled.arguments import ENTRY, Packed, packed

PYTHON = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")  # kernels run as Python, for a debugger


class Kernel:
    """A function of a module that numba compiles when it is first called with arguments of some types.

    Parameters
    ----------
    module : str
        Imported only if code has to be compiled.
    name : str
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self.code: dict[tuple[str, ...], Callable[[bytes], int]] = {}  # by the arguments' kinds

    def __repr__(self) -> str:
        return f"Kernel({self.module!r}, {self.name!r})"

    def __call__(self, *arguments: Any) -> None:
        """Call it with numbers, arrays, tuples of those, or what :func:`packed` makes of them."""
        if PYTHON:
            self.function(*(one.value if isinstance(one, Packed) else one for one in arguments))
            return
        given = [one if isinstance(one, Packed) else packed(one) for one in arguments]
        code = self.code.get(tuple([one.kinds for one in given])) or self.load(*given)
        if code(b"".join([one.words for one in given])) != 0:
            raise RuntimeError(f"{self.module}.{self.name} has raised an exception")

    def is_ready(self, dtype: str) -> bool:
        """Whether there is code in memory for parameters of a dtype."""
        return PYTHON or any(cache.dtype_of(kinds) == dtype for kinds in self.code)

    @property
    def function(self) -> Any:
        """The function itself: Python's, or numba's."""
        return getattr(importlib.import_module(self.module), self.name)

    def load(self, *arguments: Packed) -> Callable[[bytes], int]:
        """Machine code for arguments of these types, from disk if it is there."""
        kinds = tuple(one.kinds for one in arguments)
        if kinds in self.code:  # without waiting for a thread that compiles another kernel
            return self.code[kinds]
        with _loading:
            if kinds not in self.code:
                code = self.kept(kinds)
                if code is None:
                    code = self.compiled([one.value for one in arguments])
                    self.keep(kinds, code)
                self.code[kinds] = loaded(code)
        return self.code[kinds]

    def kept(self, kinds: tuple[str, ...]) -> bytes | None:
        """Code for arguments of these kinds, from disk."""
        return cache.read(cache.file_name(self.module, self.name, kinds))

    def keep(self, kinds: tuple[str, ...], code: bytes) -> None:
        """Keep it there."""
        cache.write(cache.file_name(self.module, self.name, kinds), code)

    def compiled(self, arguments: list[Any]) -> bytes:
        """Code for arguments of the types of these."""
        from gpunet_numpy.compiled.compiler import machine_code

        return machine_code(self.function, arguments)


_loading = threading.Lock()


def _after_fork() -> None:
    """Another thread may have held the lock."""
    global _loading
    _loading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Code:
    """Machine code in memory; the function is its entry, called without Python's lock."""

    def __init__(self, code: bytes) -> None:
        llvm = cache.llvm()
        target = llvm.Target.from_triple(llvm.get_process_triple())
        self.engine = llvm.create_mcjit_compiler(
            llvm.parse_assembly(""), target.create_target_machine(jit=True)
        )
        self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p)
        self.entry = kind(self.engine.get_function_address(ENTRY))


_in_memory: list[Code] = []  # for as long as the process lives: a thread may be in it


def loaded(code: bytes) -> Callable[[bytes], int]:
    """The entry of machine code."""
    _in_memory.append(Code(code))
    return _in_memory[-1].entry
