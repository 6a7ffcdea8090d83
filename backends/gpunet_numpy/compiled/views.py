"""Views: arrays without owners, which kernels work on.

A :class:`View` is a pointer and sizes. It has no reference count: threads that share an array would contend for its
count. A function gets two words for a vector where numba's array is seven, which an update of a tiny network would
spend much of its time on (2-8-1 network, batches of 1: 290 ns per update with arrays, 200 with views). And there is
little to compile for an index: none is negative, none is checked.

A kernel gets views of the arrays that it is called with. Indexing a view makes another one.
"""

from __future__ import annotations

import operator
from typing import Any, ClassVar

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import StructModel
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global
from numba.extending import lower_builtin, lower_getattr, register_model

WORD = ir.IntType(64)


class View(types.Type):  # type: ignore[misc]
    """The type of a view. Its last axis is contiguous; the rows of a matrix of layout "A" come at any distance."""

    def __init__(self, dtype: Any, ndim: int, layout: str) -> None:
        super().__init__(f"view({dtype}, {ndim}d, {layout})")
        self.dtype, self.ndim, self.layout = dtype, ndim, layout

    def indexed(self, count: int) -> Any:
        """The type of what so many indices make of it."""
        return View(self.dtype, self.ndim - count, "C") if count < self.ndim else self.dtype


@register_model(View)
class ViewModel(StructModel):  # type: ignore[misc]
    """Pointer, shape, and for a matrix of layout "A" the bytes from row to row."""

    def __init__(self, manager: Any, kind: View) -> None:
        sizes = [(f"n{axis}", types.intp) for axis in range(kind.ndim)]
        stride = [("row_bytes", types.intp)] if kind.layout == "A" else []
        super().__init__(manager, kind, [("data", types.CPointer(kind.dtype)), *sizes, *stride])


def make_view(context: Any, builder: Any, kind: View, data: Any, shape: Any, stride: Any = None) -> Any:
    """A view, in generated code."""
    view = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for place, value in enumerate([data, *shape, *([] if stride is None else [stride])]):
        view = builder.insert_value(view, value, place)
    return view


def data_of(builder: Any, view: Any) -> Any:
    """Pointer to the first number."""
    return builder.extract_value(view, 0)


def shape_of(builder: Any, kind: View, view: Any) -> list[Any]:
    """Its sizes."""
    return [builder.extract_value(view, 1 + axis) for axis in range(kind.ndim)]


def row_bytes(builder: Any, kind: View, view: Any) -> Any:
    """Bytes from one row of a matrix to the next."""
    if kind.layout == "A":
        return builder.extract_value(view, 1 + kind.ndim)
    return builder.mul(shape_of(builder, kind, view)[-1], WORD(kind.dtype.bitwidth // 8))


class _First:
    """numba tries what is made for this target first; there are ten other meanings of an index."""

    metadata: ClassVar = {"target": "cpu"}


def _index_type(view: Any, index: Any) -> Any:
    """What an index of a view is converted to, and how many it stands for; None if it is not of a view."""
    if isinstance(view, View):
        if isinstance(index, types.Integer):
            return types.intp, 1
        if isinstance(index, types.BaseTuple) and all(isinstance(one, types.Integer) for one in index):
            return types.UniTuple(types.intp, len(index)), len(index)
    return None


@infer_global(operator.getitem)
class _GetItem(_First, AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if (found := _index_type(*args)) is not None:
            return signature(args[0].indexed(found[1]), args[0], found[0])
        return None


@infer_global(operator.setitem)
class _SetItem(_First, AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if (found := _index_type(*args[:2])) is not None and found[1] == args[0].ndim:
            return signature(types.none, args[0], found[0], args[0].dtype)
        return None


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = View

    def resolve_shape(self, view: View) -> Any:
        return types.UniTuple(types.intp, view.ndim)

    def resolve_size(self, view: View) -> Any:
        return types.intp

    resolve_itemsize = resolve_size


@lower_getattr(View, "shape")
def _shape(context: Any, builder: Any, kind: View, view: Any) -> Any:
    return cgutils.pack_array(builder, shape_of(builder, kind, view), WORD)


@lower_getattr(View, "size")
def _size(context: Any, builder: Any, kind: View, view: Any) -> Any:
    first, *others = shape_of(builder, kind, view)
    for one in others:
        first = builder.mul(first, one)
    return first


@lower_getattr(View, "itemsize")
def _itemsize(context: Any, builder: Any, kind: View, view: Any) -> Any:
    return WORD(kind.dtype.bitwidth // 8)


def _place(builder: Any, kind: View, view: Any, index_type: Any, index: Any) -> tuple[Any, list[Any]]:
    """Pointer to what an index stands for, and its shape."""
    indices = cgutils.unpack_tuple(builder, index) if isinstance(index_type, types.BaseTuple) else [index]
    shape, data = shape_of(builder, kind, view), data_of(builder, view)
    rest = shape[len(indices) :]
    if kind.layout == "A":  # a row, and perhaps a number of it
        start = builder.ptrtoint(data, WORD)
        row = builder.add(start, builder.mul(indices[0], row_bytes(builder, kind, view)))
        data, indices = builder.inttoptr(row, data.type), indices[1:]
        if not indices:
            return data, rest
        shape = shape[1:]
    at = indices[0]
    for size, one in zip(shape[1:], indices[1:], strict=False):
        at = builder.add(builder.mul(at, size), one)
    for size in rest:
        at = builder.mul(at, size)
    return builder.gep(data, [at], inbounds=True), rest


@lower_builtin(operator.getitem, View, types.Any)
def getitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """``v[i]``, ``M[i, k]``; ``M[i]`` or ``A[t, l]``, views."""
    data, rest = _place(builder, sig.args[0], args[0], sig.args[1], args[1])
    return make_view(context, builder, sig.return_type, data, rest) if rest else builder.load(data)


@lower_builtin(operator.setitem, View, types.Any, types.Any)
def setitem(context: Any, builder: Any, sig: Any, args: Any) -> None:
    """``v[i] = x``, ``M[i, k] = x``."""
    view, index, value = args
    builder.store(value, _place(builder, sig.args[0], view, sig.args[1], index)[0])
