"""Plain NumPy limits BLAS to the threads that pay, while it runs and no longer."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet_numpy import blas_threads as module
from gpunet_numpy.blas_threads import threads_for, with_blas_threads
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.plain.reference import PlainReference
from gpunet_numpy.tiered import Tiered
from interrupts import interrupted_at
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


class Limit:
    """`with_blas_threads` as a context manager, which begins and ends where a test says."""

    def __init__(self, threads):
        self.threads, self.begun, self.end = threads, threading.Event(), threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=with_blas_threads, args=(self.threads, self.wait))
        self.thread.start()
        self.begun.wait()

    def wait(self):
        self.begun.set()
        self.end.wait()

    def __exit__(self, *error):
        self.end.set()
        self.thread.join()


def test_the_rule(monkeypatch):
    """784-256-10 has 203,264 weights; a step makes three products with each. No more than there are processors."""
    monkeypatch.setattr(module, "processors", lambda: 30)
    assert [threads_for(plan(1), b) for b in (10_000, 20_000)] == [30, 30]
    monkeypatch.setattr(module, "processors", lambda: 100)
    assert [threads_for(plan(1), b) for b in (1, 64, 512, 655, 656, 1000, 10_000)] == [1, 1, 1, 1, 2, 3, 30]


def test_inside_and_outside(library):
    seen = []

    def inside(threads, then=None, *arguments):
        seen.append(library.num_threads)
        if then is not None:
            with_blas_threads(threads, then, *arguments)
        seen.append(library.num_threads)
        return "result"

    assert with_blas_threads(3, inside, 1, inside, 2) == "result"
    assert seen == [3, 1, 1, 3]
    assert library.num_threads == 8


def test_a_limit_of_the_users_stays(library):
    library.num_threads = 2
    assert with_blas_threads(5, lambda: library.num_threads) == 2
    assert library.num_threads == 2
    library.num_threads = 4  # set by the user, after a run
    module._limits.remove(object())  # what an interrupt before a run does
    assert library.num_threads == 4


def test_after_an_error(library):
    def fails():
        raise KeyError

    with pytest.raises(KeyError):
        with_blas_threads(1, fails)
    assert library.num_threads == 8


def test_after_an_interrupt_anywhere(library):
    """At each place where Python may run a signal handler: BLAS has what it had, and the lock is free."""
    places = 0
    while interrupted_at(places, {module.__file__}, lambda: with_blas_threads(1, lambda: None)):
        assert library.num_threads == 8, places
        assert not module._limits.wanted
        with Limit(2):  # in another thread
            assert library.num_threads == 2
        assert library.num_threads == 8
        places += 1
    assert places > 20


def test_a_second_interrupt_while_the_first_is_handled(library, monkeypatch):
    remove, calls = module._limits.remove, []

    def interrupted(call):
        calls.append(call)
        if len(calls) < 3:
            raise KeyboardInterrupt
        remove(call)

    monkeypatch.setattr(module._limits, "remove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        with_blas_threads(1, lambda: None)
    assert library.num_threads == 8 and len(calls) == 3


def test_what_is_so_already_is_not_set(library, monkeypatch):
    """Setting takes longer than looking, and a call inside another one comes with each epoch."""
    calls = []
    monkeypatch.setattr(library, "set_num_threads", lambda threads: calls.append(threads))
    library.num_threads = 1
    assert with_blas_threads(1, with_blas_threads, 2, lambda: "result") == "result"
    assert calls == []


def test_threads_that_overlap(library):
    """The one that began first ends first: what it found is not put back while the other runs, nor lost after it."""
    first, second = Limit(2), Limit(1)
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert library.num_threads == 1
    second.__exit__()
    assert library.num_threads == 8


def test_a_library_that_is_loaded_meanwhile(library, monkeypatch):
    """As SciPy's is, by the first compiled program, while another thread trains in plain NumPy."""
    other = Library(6)
    first, second = Limit(2), Limit(1)
    first.__enter__()
    monkeypatch.setattr(module, "_libraries", lambda: [library, other])
    second.__enter__()
    assert (library.num_threads, other.num_threads) == (1, 1)
    first.__exit__()
    second.__exit__()
    assert (library.num_threads, other.num_threads) == (8, 6)


def test_a_library_that_threadpoolctl_gave_to_another_thread():
    """Limits hold whichever thread set them before, and other users of threadpoolctl may set them afterwards."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    module.look_for_libraries()
    libraries = module._libraries()

    def in_force():
        return [one.num_threads for one in libraries]

    before, seen = in_force(), []
    with threadpoolctl.threadpool_limits(2, "blas"):  # this thread has them now
        if 2 not in in_force():
            pytest.skip("BLAS has one thread here")
        worker = threading.Thread(target=lambda: seen.append(with_blas_threads(1, in_force)))
        worker.start()
        worker.join()
        assert set(in_force()) == {2}
        assert set(with_blas_threads(1, in_force)) == {1}
    assert set(seen[0]) == {1}
    assert in_force() == before


def test_a_library_that_threadpoolctl_does_not_know(monkeypatch):
    """As Apple's Accelerate: it is not looked for again at every call, and has no limits."""
    looks = []

    class NothingFound:
        lib_controllers = ()

        def select(self, user_api):
            looks.append(user_api)
            return self

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", NothingFound)
    monkeypatch.setattr(module, "_found", {})
    monkeypatch.setattr(module, "_looked", False)
    for _ in range(3):
        assert module.most_blas_threads() == sys.maxsize
        assert module.with_blas_threads(1, sum, [1, 2]) == 3
    assert looks == ["blas"]


def test_many_threads_at_once(library):
    wrong = []

    def work(seed):
        for threads in np.random.default_rng(seed).integers(1, 4, 200):
            seen = with_blas_threads(int(threads), lambda: library.num_threads)
            if seen > threads:
                wrong.append(seen)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert library.num_threads == 8
    assert not module._limits.wanted


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
    # The first call is not the run's: an optimizer of one's own is tried before.
    assert not numpys or set(inside[len(numpys) :]) == {1}
    assert in_force() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_no_limits_of_others():
    """In a process of its own: other libraries' threads do not survive a fork."""
    script = """
import os, signal, threading
from gpunet_numpy import blas_threads as module

class Library:
    num_threads = 8
    def set_num_threads(self, threads):
        self.num_threads = threads

library = Library()
module._libraries = lambda: [library]

def fork():
    child = os.fork()
    if child == 0:
        os._exit(0 if library.num_threads == 8 and not module._limits.wanted else 1)
    assert library.num_threads == 1
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

module.with_blas_threads(1, fork)
assert library.num_threads == 8

inside, end = threading.Event(), threading.Event()
def hold_the_lock():
    with module._limits.lock:
        inside.set()
        end.wait()
threading.Thread(target=hold_the_lock).start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if module.with_blas_threads(1, lambda: library.num_threads) == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
end.set()
"""
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=120, env=os.environ | {"PYTHONPATH": paths}
    )
