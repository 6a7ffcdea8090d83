"""How tests call what only kernels call."""

import pytest

for name in ("numba", "scipy", "threadpoolctl"):
    pytest.importorskip(name)


@pytest.fixture(scope="session")
def from_python():
    """``from_python(function)``: an inner function of kernels, compiled so that Python can call it."""
    from numba import njit

    from gpunet_numpy.compiled.intrinsics import OPTIONS
    from gpunet_numpy.compiled.views import unowned

    made = {}

    def compiled(function):
        if function not in made:

            @njit(**OPTIONS)
            def call(*arguments):
                return function(*unowned(arguments))

            made[function] = call
        return made[function]

    return compiled
