"""NumPy arrays that refuse writing: a hidden in-place operation fails here.

The namespace wraps every function of NumPy so that the arrays it returns are read-only, as JAX's are.
"""

import numpy

from gpunet.devices.backend import Backend


class ReadOnly(numpy.ndarray):
    """An array that can't be written to, and whose results can't either."""

    def __array_finalize__(self, source):
        self.flags.writeable = False

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if kwargs.get("out"):
            raise ValueError("an operation in place on a read-only array")
        plain = [x.view(numpy.ndarray) if isinstance(x, ReadOnly) else x for x in inputs]
        return _seal(getattr(ufunc, method)(*plain, **kwargs))

    def __array_function__(self, function, types, args, kwargs):
        return _seal(function(*_plain(args), **{k: _plain(v) for k, v in kwargs.items()}))


def _plain(value):
    if isinstance(value, ReadOnly):
        return value.view(numpy.ndarray)
    if isinstance(value, tuple | list):
        return type(value)(_plain(v) for v in value)
    return value


def _seal(result):
    return result.view(ReadOnly) if type(result) in (numpy.ndarray,) else result


class Namespace:
    """NumPy, with read-only results."""

    def __getattr__(self, name):
        attribute = getattr(numpy, name)
        if isinstance(attribute, type) or not callable(attribute):
            return attribute
        return lambda *args, **kwargs: _seal(
            attribute(*_plain(args), **{k: _plain(v) for k, v in kwargs.items()})
        )


class ReadOnlyBackend(Backend):
    name = "readonly"
    install = "it is part of the tests"

    def unavailable_reason(self):
        return None

    def devices(self):
        return ["cpu"]

    def namespace(self):
        return Namespace()

    def owns(self, array):
        return isinstance(array, ReadOnly)

    def from_host(self, array, device):
        return numpy.array(array).view(ReadOnly)

    def to_host(self, array):
        return numpy.array(array.view(numpy.ndarray) if isinstance(array, ReadOnly) else array)


backend = ReadOnlyBackend()
