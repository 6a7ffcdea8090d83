"""Barriers, and kernels that are stopped."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gpunet_numpy.blas_threads import _libraries, with_blas_threads
from gpunet_numpy.compiled import barriers, threads
from gpunet_numpy.compiled.intrinsics import kernel
from gpunet_numpy.compiled.predict import program as predict
from own_kernels import OwnKernel, PythonKernel


@OwnKernel
@kernel
def count_up(team, numbers, rounds):
    """Each thread writes, waits, and adds what the next one wrote."""
    following = (team.thread + 1) % team.threads
    phase = 1
    for i in range(rounds):
        numbers[0][team.thread] = i + team.thread
        phase = barriers.barrier(team, phase)
        numbers[1][team.thread] += numbers[0][following]
        phase = barriers.barrier(team, phase)


def test_barriers_hold_everybody():
    for count in (1, 2, 3, 5):
        numbers, rounds = np.zeros((2, count)), 300
        threads.run(count_up, count, "float32", numbers, rounds)
        expected = [sum(i + (t + 1) % count for i in range(rounds)) for t in range(count)]
        assert list(numbers[1]) == expected


@OwnKernel
@kernel
def wait_until_stopped(team, numbers):
    """The others come to a barrier, and the last thread to none, but for a flag."""
    if team.thread == team.threads - 1:
        while not barriers.stopped(team):
            numbers[1] += 1
        numbers[2] = 1
        return
    phase = barriers.barrier(team, 1)
    if phase == barriers.STOPPED:
        numbers[0] += 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_interrupt_stops_a_kernel(count):
    numbers = np.zeros(3)

    def interrupt():
        while not numbers[1]:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        threads.run(wait_until_stopped, count, "float32", numbers)
    assert numbers[2] == 1
    assert numbers[0] == count - 1 or count == 3  # two may add at once
    after = numbers.copy()
    test_barriers_hold_everybody()
    assert np.array_equal(numbers, after)


def test_callers_of_a_predictor_have_buffers_of_their_own():
    """Those that predict so few rows that no other thread is asked."""
    rng = np.random.default_rng(0)
    predictor = predict.Predictor(("tanh",), [(rng.random((3, 4)), rng.random((3, 1)))])
    with ThreadPoolExecutor(3) as callers:
        barrier = threading.Barrier(3)

        def call(m):
            barrier.wait()
            predictor(rng.random((m, 4)))
            barrier.wait()
            return id(predictor.forward.own.fixed[1].value.A)

        assert len(set(callers.map(call, [1, 2, 8]))) == 3
    assert not hasattr(predictor.forward.own, "fixed")


def test_an_error_in_a_thread_is_raised():
    def fails(team):
        if team.thread == 1:
            raise RuntimeError("in a thread")

    with pytest.raises(RuntimeError, match="in a thread"):
        threads.run(PythonKernel(fails), 2, "float32")
    threads.run(PythonKernel(lambda team: None), 2, "float32")  # the lock is free again


def test_blas_calls_of_a_kernel_stay_on_its_threads():
    """Whichever thread limited BLAS before."""
    with_blas_threads(2, lambda: None)
    seen = []
    look = PythonKernel(lambda team: seen.extend(one.num_threads for one in _libraries()))
    threads.run(look, 2, "float32")
    assert seen and set(seen) == {1}


def test_threads_follow_the_environment(monkeypatch):
    count = threads.threads_at_start.__wrapped__
    for name in ("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert count() == 7
    monkeypatch.setenv("NUMBA_NUM_THREADS", "5")
    assert count() == 5
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "3")
    assert count() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "0")
    assert count() == 1
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads, "processors", lambda: 2)
    assert count() == 2


def test_threads_follow_threadpoolctl():
    """As joblib's threads and other callers limit BLAS."""
    before = threads.threads()
    assert before >= 1
    with threadpool_limits(1):
        assert threads.threads() == 1
        assert with_blas_threads(1, threads.threads) == 1
    assert with_blas_threads(1, threads.threads) == before  # a program's own limit is none
    assert threads.threads() == before


def test_fewer_threads_where_no_more_can_be_started(monkeypatch):
    monkeypatch.setattr(threads, "threads_at_start", lambda: 7)
    monkeypatch.setattr(threads, "most_blas_threads", lambda: 8)
    for can_be, expected in ((5, 5), (9, 7)):
        fake = SimpleNamespace(start=lambda count, can_be=can_be: min(count, can_be))
        monkeypatch.setattr(threads, "pool", lambda fake=fake: fake)
        assert threads.threads() == expected
