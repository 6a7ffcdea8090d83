"""Plain NumPy limits BLAS to the threads that pay, while it runs and no longer."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet_numpy import blas_threads as module
from gpunet_numpy.blas_threads import blas_threads, threads_for
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.plain.reference import PlainReference
from gpunet_numpy.tiered import Tiered
from random_plans import DESCENTS, draw, plan_of


class Library:
    """A BLAS library that counts."""

    def __init__(self, num_threads):
        self.num_threads = num_threads

    def set_num_threads(self, threads):
        self.num_threads = threads


@pytest.fixture
def library(monkeypatch):
    fake = Library(8)
    monkeypatch.setattr(module, "_libraries", lambda: [fake])
    return fake


def plan(batch_size, units=256, examples=60_000):
    layers = (Layer(784, units, "relu"), Layer(units, 10, "softmax"))
    return Plan(layers, "cross_entropy", gn.GradientDescent(0.1), examples, batch_size)


def test_the_rule():
    """784-256-10 has 203,264 weights; a step makes three products with each."""
    assert [threads_for(plan(1), b) for b in (1, 64, 512, 655, 656, 1000, 10_000)] == [1, 1, 1, 1, 2, 3, 30]


def test_inside_and_outside(library):
    with blas_threads(3):
        assert library.num_threads == 3
        with blas_threads(1):
            assert library.num_threads == 1
        assert library.num_threads == 3
    assert library.num_threads == 8


def test_a_limit_of_the_users_stays(library):
    library.num_threads = 2
    with blas_threads(5):
        assert library.num_threads == 2
    assert library.num_threads == 2


def test_after_an_error(library):
    with pytest.raises(KeyError), blas_threads(1):
        raise KeyError
    assert library.num_threads == 8


def test_threads_that_overlap(library):
    """The one that began first ends first: what it found is not put back while the other runs, nor lost after it."""
    first, second = blas_threads(2), blas_threads(1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert library.num_threads == 1
    second.__exit__(None, None, None)
    assert library.num_threads == 8


def test_a_library_that_is_loaded_meanwhile(library, monkeypatch):
    """As SciPy's is, by the first compiled program, while another thread trains in plain NumPy."""
    other = Library(6)
    first, second = blas_threads(2), blas_threads(1)
    first.__enter__()
    monkeypatch.setattr(module, "_libraries", lambda: [library, other])
    second.__enter__()
    assert (library.num_threads, other.num_threads) == (1, 1)
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert (library.num_threads, other.num_threads) == (8, 6)


def test_many_threads_at_once(library):
    wrong = []

    def work(seed):
        for threads in np.random.default_rng(seed).integers(1, 4, 200):
            with blas_threads(int(threads)):
                if library.num_threads > threads:
                    wrong.append(library.num_threads)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert library.num_threads == 8
    assert module._limits.wanted == []


@pytest.mark.parametrize(
    "kind", [PlainReference, Accumulation, Blocked, Tiered], ids=lambda kind: kind.__name__
)
def test_every_plain_program_is_limited(kind, library, monkeypatch):
    """Seen from inside: each program asks once, for what the rule says, and BLAS is as it was afterwards."""
    batch = 5 if kind is Blocked else 75
    one = plan_of("sigmoid-softmax", DESCENTS["plain"], batch)
    seen = []

    def watched(optimizer, xp, theta, gradient, slots, c):
        seen.append(library.num_threads)
        return theta - c[0] * gradient, ()

    monkeypatch.setattr(gn.GradientDescent, "update", watched)
    program = Tiered(one, None, lambda plan: (None, ""), 0.0) if kind is Tiered else kind(one)
    program(*draw(one))
    assert seen and set(seen) == {1}
    assert library.num_threads == 8


def test_what_numpy_really_uses():
    """threadpoolctl finds NumPy's BLAS, and the limit reaches it."""
    threadpoolctl = pytest.importorskip("threadpoolctl")

    # NumPy's own: other libraries may bring a BLAS that plain programs do not use.
    def in_force():
        known = {one["filepath"]: one["num_threads"] for one in threadpoolctl.threadpool_info()}
        return [known[path] for path in numpys]

    module.look_for_libraries()
    numpys = [path for path in module._found if "numpy" in path or len(module._found) == 1]
    before = in_force()
    inside = []

    class Looking(gn.GradientDescent):
        def update(self, xp, theta, gradient, slots, c):
            inside.extend(in_force())
            return super().update(xp, theta, gradient, slots, c)

    net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(1)], seed=0, backend="numpy")
    history = net.fit(np.ones((40, 3)), np.ones(40), optimizer=Looking(0.1), epochs=1)
    assert history.program == "reference"
    assert not numpys or set(inside) == {1}
    assert in_force() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_no_limits_of_others():
    """In a process of its own: other libraries' threads do not survive a fork."""
    script = """
import os, sys
from gpunet_numpy import blas_threads as module

class Library:
    num_threads = 8
    def set_num_threads(self, threads):
        self.num_threads = threads

library = Library()
module._libraries = lambda: [library]
with module.blas_threads(1):
    child = os.fork()
    if child == 0:
        os._exit(0 if library.num_threads == 8 and not module._limits.wanted else 1)
    assert library.num_threads == 1
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert library.num_threads == 8
"""
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=120, env=os.environ | {"PYTHONPATH": paths}
    )
