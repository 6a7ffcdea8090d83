"""Views: arrays without reference counts, which kernels work on.

A :class:`View` is numba's array with two differences. It has no reference count: threads that share an array would
contend for its count. And a function gets it as pointer and sizes: two words for a vector where an array is seven,
which an update of a tiny network would spend much of its time on (2-8-1 network, batches of 1: 290 ns per update with
arrays, 200 with views).

A kernel makes views of the arrays that it is called with by :func:`unowned`. Indexing a view makes another one.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.datamodel.models import ArrayModel
from numba.extending import intrinsic, lower_builtin, register_model
from numba.np.arrayobj import make_array, populate_array

WORD = ir.IntType(64)


class View(types.Array):  # type: ignore[misc]
    """The type of a view. Its last axis is contiguous, also where the layout is "A"."""

    def __init__(self, dtype: Any, ndim: int, layout: str) -> None:
        super().__init__(dtype, ndim, layout, name=f"view({dtype}, {ndim}d, {layout})")

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> View:
        """The type of what indexing makes of it."""
        ndim = self.ndim if ndim is None else ndim
        return View(dtype or self.dtype, ndim, "C" if ndim == 1 else layout or self.layout)


@register_model(View)
class ViewModel(ArrayModel):  # type: ignore[misc]
    """As an argument: pointer, shape, and for a matrix of layout "A" the bytes from row to row."""

    def get_argument_type(self) -> Any:
        kind = self.fe_type
        pointer = self.get_member_fe_type("data")
        return (
            self._dmm.lookup(pointer).get_value_type(),
            *[WORD] * (kind.ndim + (kind.layout == "A")),
        )

    def as_argument(self, builder: Any, value: Any) -> Any:
        kind = self.fe_type
        shape = cgutils.unpack_tuple(builder, self.get(builder, value, "shape"))
        rest = [builder.extract_value(self.get(builder, value, "strides"), 0)] if kind.layout == "A" else []
        return (self.get(builder, value, "data"), *shape, *rest)

    def from_argument(self, builder: Any, value: Any) -> Any:
        kind, (data, *sizes) = self.fe_type, value
        shape, row_bytes = sizes[: kind.ndim], sizes[kind.ndim :]
        item = WORD(kind.dtype.bitwidth // 8)
        strides = [item]
        for size in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], size))
        if row_bytes:
            strides[0] = row_bytes[0]
        count = WORD(1)
        for size in shape:
            count = builder.mul(count, size)
        fields = {
            "nitems": count,
            "itemsize": item,
            "data": data,
            "shape": cgutils.pack_array(builder, shape, WORD),
            "strides": cgutils.pack_array(builder, strides, WORD),
        }
        array = self.get_value_type()(None)  # no meminfo, no parent
        for name, field in fields.items():
            array = self.set(builder, array, field, name)
        return array


# Indices are never negative, which numba's own indexing would check for and make much code of.


@lower_builtin(operator.getitem, View, types.Integer)
def getitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """``v[i]``, or ``M[i]``, a view."""
    (kind, index_type), (view, index) = sig.args, args
    array = make_array(kind)(context, builder, view)
    index = context.cast(builder, index, index_type, types.intp)
    if kind.ndim == 1:
        return builder.load(builder.gep(array.data, [index], inbounds=True))
    shape, strides = (cgutils.unpack_tuple(builder, one) for one in (array.shape, array.strides))
    first = builder.ptrtoint(array.data, WORD)
    data = builder.inttoptr(builder.add(first, builder.mul(index, strides[0])), array.data.type)
    return make_view(context, builder, sig.return_type, data, shape[1:], strides[1:])


@lower_builtin(operator.setitem, View, types.Integer, types.Any)
def setitem(context: Any, builder: Any, sig: Any, args: Any) -> None:
    """``v[i] = x``."""
    kind, index_type, value_type = sig.args
    index = context.cast(builder, args[1], index_type, types.intp)
    value = context.cast(builder, args[2], value_type, kind.dtype)
    data = make_array(kind)(context, builder, args[0]).data
    builder.store(value, builder.gep(data, [index], inbounds=True))


def make_view(context: Any, builder: Any, kind: View, data: Any, shape: Any, strides: Any) -> Any:
    """A view, in generated code."""
    item = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
    view = make_array(kind)(context, builder)
    populate_array(view, data, shape, strides, item, None)
    return view._getvalue()


def _unowned(value: Any) -> Any:
    return value


def _type_of(kind: Any) -> Any:
    if isinstance(kind, types.Array):
        return View(kind.dtype, kind.ndim, kind.layout)
    if isinstance(kind, types.BaseNamedTuple):
        return types.NamedTuple([_type_of(one) for one in kind], kind.instance_class)
    if isinstance(kind, types.BaseTuple):
        return types.Tuple([_type_of(one) for one in kind])
    return kind


def _convert(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array = make_array(kind)(context, builder, value)
        unpack = cgutils.unpack_tuple
        shape, strides = unpack(builder, array.shape), unpack(builder, array.strides)
        return make_view(context, builder, _type_of(kind), array.data, shape, strides)
    if isinstance(kind, types.BaseTuple):
        values = cgutils.unpack_tuple(builder, value)
        return context.make_tuple(
            builder,
            _type_of(kind),
            [_convert(context, builder, k, v) for k, v in zip(kind, values, strict=True)],
        )
    return value


def _lower_unowned(typing, value):  # type: ignore[no-untyped-def]
    """A view of an array, or a tuple with views of its arrays. Whoever calls a kernel keeps the arrays alive."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _convert(context, builder, signature.args[0], args[0])

    return _type_of(value)(value), generate


unowned = _unowned if config.DISABLE_JIT else intrinsic(_lower_unowned)
