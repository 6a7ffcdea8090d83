"""How tests call what only kernels call."""

import pytest

for name in ("numba", "scipy", "threadpoolctl"):
    pytest.importorskip(name)


@pytest.fixture(scope="session")
def from_python():
    """``from_python(function)``: an inner function of kernels, compiled so that Python can call it."""
    from numba import njit

    from array_views import unowned
    from gpunet_numpy.compiled.intrinsics import OPTIONS

    made = {}

    def compiled(function):
        if function not in made:

            @njit(**OPTIONS)
            def call(*arguments):
                return function(*unowned(arguments))

            made[function] = call
        return made[function]

    return compiled


@pytest.fixture
def on_threads(monkeypatch):
    """``on_threads(count)``: run programs on so many threads, however few neurons there are for them."""
    from gpunet_numpy.compiled.blocked import program as blocked
    from gpunet_numpy.compiled.minibatch import program as minibatch

    def settle(count, **settings):
        for module in (blocked, minibatch):
            monkeypatch.setattr(module, "threads", lambda: count)
        monkeypatch.setattr(blocked, "NEURONS", 1)
        for name, value in {"NEURONS": 1, "WORK": 1, "EXAMPLES": 1, "SHORT": 0, **settings}.items():
            monkeypatch.setattr(minibatch, name, value)

    return settle
