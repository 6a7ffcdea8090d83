"""Barriers and locks. Removing either lock, or the barrier, makes a test fail."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gpunet_numpy.compiled import threads
from gpunet_numpy.compiled.intrinsics import kernel
from gpunet_numpy.compiled.predict import program as predict
from gpunet_numpy.compiled.views import unowned


@kernel
def count_up(team, numbers, rounds):
    """Each thread writes, waits, and adds what the next one wrote."""
    team, numbers = unowned(team), unowned(numbers)
    following = (team.thread + 1) % team.threads
    phase = 1
    for i in range(rounds):
        numbers[0][team.thread] = i + team.thread
        phase = threads.barrier(team, phase)
        numbers[1][team.thread] += numbers[0][following]
        phase = threads.barrier(team, phase)


def test_barriers_hold_everybody():
    for count in (1, 2, 3, 5):
        numbers, rounds = np.zeros((2, count)), 300
        threads.run(count_up, count, "float32", numbers, rounds)
        expected = [sum(i + (t + 1) % count for i in range(rounds)) for t in range(count)]
        assert list(numbers[1]) == expected


class Overlaps:
    """Counts how many callers are inside at once."""

    def __init__(self):
        self.inside, self.most = 0, 0
        self.lock = threading.Lock()

    def __call__(self, *arguments):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.02)
        with self.lock:
            self.inside -= 1


def test_one_kernel_runs_at_a_time():
    fake = Overlaps()
    with ThreadPoolExecutor(6) as pool:
        for one in [pool.submit(threads.run, fake, 1, "float32") for _ in range(6)]:
            one.result()
    assert fake.most == 1


def test_callers_of_a_predictor_take_turns(monkeypatch):
    """Its buffers are written by one at a time."""
    fake = Overlaps()
    monkeypatch.setattr(predict, "run_alone", fake)
    monkeypatch.setattr(predict, "run", fake)
    rng = np.random.default_rng(0)
    predictor = predict.Predictor(("tanh",), [(rng.random((3, 4)), rng.random((3, 1)))])
    with ThreadPoolExecutor(6) as pool:
        for one in [pool.submit(predictor, rng.random((m, 4))) for m in (1, 20, 1, 20, 1, 20)]:
            one.result()
    assert fake.most == 1


def test_an_error_in_a_thread_is_raised():
    def fails(team):
        if team.thread == 1:
            raise RuntimeError("in a thread")

    with pytest.raises(RuntimeError, match="in a thread"):
        threads.run(fails, 2, "float32")
    threads.run(lambda team: None, 2, "float32")  # the lock is free again


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


def test_threads_follow_threadpoolctl():
    """As joblib's threads and other callers limit BLAS."""
    before = threads.threads()
    assert before >= 1
    with threadpool_limits(1):
        assert threads.threads() == 1
        with threads.one_blas_thread():
            assert threads.threads() == 1
    with threads.one_blas_thread():  # a program's own limit is none
        assert threads.threads() == before
    assert threads.threads() == before
