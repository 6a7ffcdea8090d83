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

import numpy as np
from llvmlite import ir
from numba import _dynfunc, types
from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags
from numba.core.compiler_machinery import PassManager, register_pass
from numba.np.numpy_support import from_dtype

from gpunet_numpy.compiled.arguments import DATA, ENTRY, HEAD, SHAPE, STRIDES
from gpunet_numpy.compiled.views import WORD, View

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


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """A function with all that it calls, in LLVM's language, neither optimised nor compiled."""

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _Lower(typed_passes.NativeLowering):  # type: ignore[misc]
    """To LLVM's language, and no further."""

    def run_pass(self, state: Any) -> bool:
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        self.finish(state.targetctx, state.library, state.cr)
        # It is looked up by an object that stands for it; Python can't call it.
        name = state.cr.fndesc.qualname.split(".")[-1]
        key = _dynfunc.make_function(
            state.cr.fndesc.lookup_module(), name, "", 0, state.cr.env, (state.library,)
        )
        state.targetctx.insert_user_function(key, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=key)
        return True

    def finish(self, context: Any, library: Any, lowered: Any) -> None:
        """Nothing: its callers take it as it is."""


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerInner(_Lower):
    _name = "inner_lowering"


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerKernel(_Lower):
    """To machine code: all in one go, where numba would optimise it three times."""

    _name = "kernel_lowering"

    def finish(self, context: Any, library: Any, lowered: Any) -> None:
        _add_entry(context, library, lowered.fndesc)
        library.finalize()
        codegen, module = context.codegen(), library._final_module
        passes, builder = codegen._module_pass_manager()
        passes.run(module, builder)
        module.verify()
        library.machine_code = codegen._tm.emit_object(module)


def _add_entry(context: Any, library: Any, function: Any) -> None:
    """The function that Python calls: it takes the arguments of the other one from words in memory.

    See :mod:`gpunet_numpy.compiled.arguments`.
    """
    module = library.create_ir_module("entry")
    kind = context.call_conv.get_function_type(function.restype, function.argtypes)
    called = ir.Function(module, kind, function.llvm_func_name)
    entry = ir.Function(module, ir.FunctionType(kind.return_type, [WORD.as_pointer()]), ENTRY)
    builder = ir.IRBuilder(entry.append_basic_block())
    to_result, to_error, *wanted = kind.args
    given: list[Any] = []
    for place, argument in enumerate(_in_a_row(function.argtypes)):
        given += _from_word(builder, argument, _word(builder, entry.args[0], place), wanted[len(given)])
    results = [builder.alloca(to_result.pointee), builder.alloca(to_error.pointee)]
    builder.ret(builder.call(called, [*results, *given]))
    library.add_ir_module(module)


def _in_a_row(kinds: Any) -> Iterator[Any]:
    """The types of numbers and arrays of tuples in tuples."""
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            yield from _in_a_row(kind)
        else:
            yield kind


def _word(builder: Any, words: Any, place: int) -> Any:
    return builder.load(builder.gep(words, [ir.Constant(WORD, place)]))


def _from_word(builder: Any, kind: Any, word: Any, wanted: Any) -> list[Any]:
    """What a function takes for a number or a view, the first being of the type `wanted`."""
    if isinstance(kind, View):
        array = builder.inttoptr(word, WORD.as_pointer())
        data, shape, strides = (_word(builder, array, HEAD // 8 + place) for place in (DATA, SHAPE, STRIDES))
        shape, strides = (builder.inttoptr(one, WORD.as_pointer()) for one in (shape, strides))
        rows = [_word(builder, strides, 0)] if kind.layout == "A" else []
        return [
            builder.inttoptr(data, wanted),
            *(_word(builder, shape, axis) for axis in range(kind.ndim)),
            *rows,
        ]
    if isinstance(wanted, ir.IntType):
        return [word]
    double = builder.bitcast(word, ir.DoubleType())
    return [double if isinstance(wanted, ir.DoubleType) else builder.fptrunc(double, wanted)]


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


def type_of(value: Any) -> Any:
    """The type of an argument of a kernel: arrays are views."""
    if isinstance(value, np.ndarray):
        layout = "C" if value.flags.c_contiguous else "A"
        return View(from_dtype(value.dtype), value.ndim, layout)
    if isinstance(value, tuple):
        kinds = [type_of(one) for one in value]
        return types.NamedTuple(kinds, type(value)) if hasattr(value, "_fields") else types.Tuple(kinds)
    if isinstance(value, np.float32):
        return types.float32
    return types.float64 if isinstance(value, float) else types.intp


def machine_code(function: Any, arguments: list[Any]) -> bytes:
    """The machine code of a kernel for arguments of the types of these."""
    signature = tuple(type_of(one) for one in arguments)
    function.compile(signature)
    code: bytes = function.overloads[signature].library.machine_code
    return code
