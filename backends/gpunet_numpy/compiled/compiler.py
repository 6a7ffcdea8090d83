"""How numba compiles kernels: all functions of one in one module, which LLVM optimises once.

numba's own way is that every function is optimised, and made into machine code, together with copies of all functions
that it calls, although only kernels are called from Python. Here a function that kernels call stays as it is until a
kernel is linked.

What numba does for features that kernels don't use is left out: closures, ``with`` blocks, array expressions,
reference counts.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from numba import _dynfunc
from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags
from numba.core.compiler_machinery import PassManager, register_pass

# CPython keeps the frames of functions in pieces of 16 KiB. Where a loop calls over the edge of one, the system maps a
# piece and unmaps it at every call: 200 000 times for one kernel, at some depths of numba's recursion. A frame that
# needs more than half a MiB gets a piece of 1 MiB, and leaves the rest of it to all that is called from it.
LARGE_FRAME = 2**16 + 2**10  # words


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_call_from_large_frame = FunctionType(_call.__code__.replace(co_stacksize=LARGE_FRAME), globals())


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Compiling makes many objects that stay: looking at them again and again would take part of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Flags(Flags):  # type: ignore[misc]
    """Flags that are compared in less time: numba does so at each of 10 000 operations and overloads that it tries."""

    def values(self) -> dict[str, Any]:
        return self._values  # type: ignore[no-any-return]  # those that are set, without all that are not


_sizes: dict[Any, int] = {}


def _size(find: Callable[[Any], int], kind: Any) -> int:
    """Bytes of one of LLVM's types, which numba asks for at each variable, and LLVM finds by reading a program."""
    if kind not in _sizes:
        _sizes[kind] = find(kind)
    return _sizes[kind]


class _Kernel(JITCodeLibrary):  # type: ignore[misc]
    """A kernel and all that it calls, optimised once: all in one go, where numba goes over it three times."""

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)


class _Inner(_Kernel):
    """A function and those it calls, in LLVM's language, neither optimised nor compiled."""

    def finalize(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerKernel(typed_passes.NativeLowering):  # type: ignore[misc]
    """To machine code."""

    _name = "kernel_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _Kernel(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerInner(typed_passes.NativeLowering):  # type: ignore[misc]
    """To LLVM's language, and no further."""

    _name = "inner_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _Inner(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        name = state.cr.fndesc.qualname.split(".")[-1]
        # Callers look it up by an object that stands for it; Python can't call it.
        key = _dynfunc.make_function(
            state.cr.fndesc.lookup_module(), name, "", 0, state.cr.env, (state.library,)
        )
        state.targetctx.insert_user_function(key, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=key)
        return True


class _Compiler(CompilerBase):  # type: ignore[misc]
    lower: Any

    def define_pipelines(self) -> list[Any]:
        passes = PassManager("gpunet")
        if self.state.func_ir is None:
            passes.add_pass(untyped_passes.TranslateByteCode)
            passes.add_pass(untyped_passes.FixupArgs)
        for one in (
            untyped_passes.IRProcessing,
            untyped_passes.GenericRewrites,  # constant indices of tuples
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            self.lower,
            typed_passes.NoPythonBackend,
        ):
            passes.add_pass(one)
        passes.finalize()
        return [passes]

    def _compile_core(self) -> Any:
        self.state.flags = _Flags(self.state.flags)
        context = self.state.targetctx  # this function's own
        context.get_abi_sizeof = functools.partial(_size, context.get_abi_sizeof)
        return super()._compile_core()


class InnerCompiler(_Compiler):
    """Compiles a function that only kernels call."""

    lower = _LowerInner


class KernelCompiler(_Compiler):
    """Compiles a function that Python calls, with all that it calls."""

    lower = _LowerKernel

    def compile_extra(self, func: Any) -> Any:
        """See numba."""
        with no_garbage_collection():
            return _call_from_large_frame(super().compile_extra, func)
