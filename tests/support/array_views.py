"""How tests call with arrays what takes views, where numba compiles the caller itself."""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gpunet_numpy.compiled.views import View, make_view


def _type_of(kind: Any) -> Any:
    if isinstance(kind, types.Array):
        return View(kind.dtype, kind.ndim, "C" if kind.layout == "C" else "A")
    if isinstance(kind, types.BaseNamedTuple):
        return types.NamedTuple([_type_of(one) for one in kind], kind.instance_class)
    if isinstance(kind, types.BaseTuple):
        return types.Tuple([_type_of(one) for one in kind])
    return kind


def _convert(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array, view = context.data_model_manager[kind], _type_of(kind)
        shape, strides = (
            cgutils.unpack_tuple(builder, array.get(builder, value, name)) for name in ("shape", "strides")
        )
        stride = strides[0] if view.layout == "A" else None
        return make_view(context, builder, view, array.get(builder, value, "data"), shape, stride)
    if isinstance(kind, types.BaseTuple):
        values = cgutils.unpack_tuple(builder, value)
        return context.make_tuple(
            builder,
            _type_of(kind),
            [_convert(context, builder, k, v) for k, v in zip(kind, values, strict=True)],
        )
    return value


def _lower_unowned(typing, value):  # type: ignore[no-untyped-def]
    """A view of an array, or a tuple with views of its arrays."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _convert(context, builder, signature.args[0], args[0])

    return _type_of(value)(value), generate


unowned = intrinsic(_lower_unowned)
