"""Kernels of the tests' own."""

import numpy as np

from gpunet_numpy.compiled.kernels import Kernel


class OwnKernel(Kernel):
    """A function with the decorator ``kernel``, as the programs' kernels are called; never kept on disk.

    Parameters
    ----------
    function : numba's dispatcher
    """

    def __init__(self, function):
        super().__init__(function.__module__, function.__name__)
        self.given = function

    @property
    def function(self):
        return self.given

    def kept(self, kinds):
        return None

    def keep(self, kinds, code):
        """Nothing: the cache does not know this function's source."""


def result(function, *arguments, dtype="float64"):
    """What a kernel writes to ``out[0]``, its last argument."""
    out = np.zeros(1, dtype)
    OwnKernel(function)(*arguments, out)
    return out[0]


class PythonKernel:
    """A function of Python in the place of a kernel.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function):
        self.function = function

    def load(self, *arguments):
        """Nothing: there is no code."""

    def __call__(self, *arguments):
        self.function(*(getattr(one, "value", one) for one in arguments))
