"""Jobs, and what becomes of them when the caller is interrupted, threads are refused, or the process forks or ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from queue import SimpleQueue

import pytest

from gpunet_numpy.compiled import pool as module
from gpunet_numpy.compiled.pool import Job, Pool
from interrupts import interrupted_at

PATHS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "GPUNET_COMPILE": "wait"}
FILE = module.__file__


def run_script(script, *arguments, **settings):
    """A script in a process of its own, which fails if that does not end."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        timeout=120,
        env=os.environ | PATHS | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


class Work:
    """Shares that run until they are stopped, or for `rounds`, and say whether they run."""

    def __init__(self, count, rounds=10**9):
        self.stopped = threading.Event()
        self.started = threading.Semaphore(0)
        self.rounds, self.running, self.calls = rounds, 0, 0
        self.lock = threading.Lock()
        self.job = Job([self.share] * count, self.stopped.set)

    def share(self):
        with self.lock:
            self.running += 1
            self.calls += 1
        self.started.release()
        for _ in range(self.rounds):
            if self.stopped.wait(0.001):
                break
        time.sleep(0.02)  # what is left of a step
        with self.lock:
            self.running -= 1


def still_works(pool):
    done = []
    pool.run(Job([lambda: done.append(1)] * 3, lambda: None))
    return done == [1, 1, 1]


def test_shares_run_at_once_on_threads_of_their_own():
    barrier, names = threading.Barrier(4), set()

    def share():
        barrier.wait(20)
        names.add(threading.current_thread().name)

    pool = Pool()
    pool.run(Job([share] * 4, barrier.abort))
    assert names == {"gpunet", "gpunet-1", "gpunet-2", "gpunet-3"}
    assert len(pool.workers) == 3
    pool.run(Job([names.clear], lambda: None))
    assert not names and len(pool.workers) == 3


@pytest.mark.parametrize("thread", [0, 1, 2])
def test_an_error_stops_the_others_and_is_raised(thread):
    stopped = threading.Event()

    def fails():
        raise KeyError(thread)

    def waits():
        assert stopped.wait(20)

    shares = [waits] * 3
    shares[thread] = fails
    pool = Pool()
    with pytest.raises(KeyError, match=str(thread)):
        pool.run(Job(shares, stopped.set))
    assert still_works(pool)


class Interrupting(SimpleQueue):
    """A queue of jobs that sends this process Ctrl-C before or after it takes one."""

    def __init__(self, before):
        self.before = before

    def put(self, job):
        if self.before:
            os.kill(os.getpid(), signal.SIGINT)
        super().put(job)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("before", [True, False])
def test_an_interrupt_while_a_job_is_handed_over(before):
    pool, work = Pool(), Work(3)
    pool.jobs = Interrupting(before)
    with pytest.raises(KeyboardInterrupt):
        pool.run(work.job)
    assert work.running == 0
    assert not (before and work.calls)
    pool.jobs.put = lambda job: SimpleQueue.put(pool.jobs, job)
    assert still_works(pool)


def interrupt_soon(work, times):
    """Ctrl-C, so many times in a row, once all shares run."""

    def send():
        for _ in work.job.shares:
            work.started.acquire()
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.004)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("times", [1, 2, 4])
def test_an_interrupt_leaves_when_no_share_runs(times):
    """Also when more of them come while the shares end."""
    pool, work = Pool(), Work(3)
    running, inside = None, True

    def interrupt(*_):
        if inside:  # on a busy machine some come after the job
            raise KeyboardInterrupt

    def call():
        nonlocal running, inside
        try:
            pool.run(work.job)
        finally:
            running, inside = work.running, False

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        sender = interrupt_soon(work, times)
        with pytest.raises(KeyboardInterrupt):
            call()
        sender.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert running == 0 and work.calls == 3
    assert still_works(pool)


def test_a_job_that_is_withdrawn_is_never_done():
    pool, first, second = Pool(), Work(1), Work(1)
    caller = threading.Thread(target=pool.run, args=(first.job,))
    caller.start()
    first.started.acquire()
    second.job.give_up()  # at once: the leader is busy with the other
    pool.jobs.put(second.job)
    first.stopped.set()
    caller.join()
    assert still_works(pool)
    assert second.calls == 0


def test_an_interrupt_anywhere():
    """At each place where Python may run a signal handler in the caller's thread."""
    pool, places = Pool(), 0
    while True:
        work = Work(2, rounds=1)
        if not interrupted_at(places, {FILE}, lambda work=work: pool.run(work.job)):
            break
        assert work.running == 0
        assert still_works(pool)
        places += 1
    assert places > 6


class Refusing:
    """`threading.Thread`, of which the system starts a limited number."""

    def __init__(self, count):
        self.left = count

    def __call__(self, **given):
        thread = threading.Thread(**given)
        if self.left <= 0:
            thread.start = self.refuse
        self.left -= 1
        return thread

    def refuse(self):
        raise RuntimeError("can't start new thread")


def refuse_threads(monkeypatch, started):
    fake = type("threading", (), {**vars(threading), "Thread": Refusing(started)})
    monkeypatch.setattr(module, "threading", fake)


def test_a_leader_that_is_refused(monkeypatch):
    refuse_threads(monkeypatch, 0)
    pool, work = Pool(), Work(1, rounds=1)
    with pytest.raises(RuntimeError, match=r"can't start new thread.*GPUNET_COMPILE=never"):
        pool.run(work.job)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        pool.start(2)
    monkeypatch.undo()
    assert still_works(pool) and work.calls == 0


def test_workers_that_are_refused(monkeypatch):
    """Nothing is left behind that would run with the next job."""
    refuse_threads(monkeypatch, 2)
    pool, work = Pool(), Work(3, rounds=1)
    with pytest.raises(RuntimeError, match=r"3 wanted, 2 started.*OMP_NUM_THREADS"):
        pool.run(work.job)
    assert pool.start(5) == 2
    assert work.calls == 0
    two = Work(2, rounds=1)
    pool.run(two.job)
    assert two.calls == 2
    monkeypatch.undo()
    assert pool.start(3) == 3
    assert still_works(pool) and work.calls == 0


def test_jobs_take_turns():
    """Those of several threads: one at a time, each complete."""
    inside, most, lock = 0, 0, threading.Lock()

    def share():
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.005)
        with lock:
            inside -= 1

    pool = Pool()
    callers = [threading.Thread(target=lambda: pool.run(Job([share] * 2, lambda: None))) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert most == 2


def test_only_one_thread_leads():
    """A second one, as an interrupted start may leave, ends; the jobs are the first one's."""
    pool = Pool()
    assert still_works(pool)
    second = threading.Thread(target=pool._lead)
    second.start()
    second.join(20)
    assert not second.is_alive()
    assert still_works(pool)


@pytest.mark.parametrize(("daemon", "told"), [(False, RuntimeError), (True, SystemExit)])
def test_a_pool_that_closes(daemon, told):
    """The job that runs is stopped, and its caller told; others are not begun."""
    pool, work, later, errors = Pool(), Work(2), Work(1, rounds=1), []

    def call():
        try:
            pool.run(work.job)
        except told as error:
            errors.append(str(error))

    caller = threading.Thread(target=call, daemon=daemon)
    caller.start()
    for _ in range(2):
        work.started.acquire()
    pool.close()
    assert work.running == 0
    caller.join()
    assert errors == [module.ENDING]
    with pytest.raises(RuntimeError, match=module.ENDING):
        pool.run(later.job)
    assert later.calls == 0
    Pool().close()  # one that has no threads yet


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_a_job_runs():
    run_script("""
import os, signal, threading
from gpunet_numpy.compiled.pool import Job, pool

stop, started = threading.Event(), threading.Event()
def share():
    started.set()
    stop.wait(60)
caller = threading.Thread(target=pool().run, args=(Job([share], stop.set),))
caller.start()
started.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    done = []
    pool().run(Job([lambda: done.append(1)] * 2, lambda: None))
    os._exit(0 if done == [1, 1] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
caller.join()
""")


FIT = """
import sys, threading, time
import numpy as np
import gpunet as gn

X, y = np.random.default_rng(0).random((2000, 300), dtype=np.float32), np.arange(2000) % 5
net = gn.Network([gn.Dense(200, "relu"), gn.Dense(5, "softmax")], seed=0, backend="numpy")
begun = threading.Event()

def fit():
    net.fit(X, y, optimizer=gn.GradientDescent(0.1), batch_size=1, epochs=epochs, callbacks=[lambda *_: begun.set()])
    net.predict(X)
    net.save(sys.argv[1])
"""


@pytest.mark.slow
def test_a_background_thread_trains_on_when_the_main_thread_has_ended(tmp_path):
    path = tmp_path / "net.safetensors"
    run_script("epochs = 10\n" + FIT + "threading.Thread(target=fit).start()", str(path))
    assert path.exists()


@pytest.mark.slow
def test_a_daemon_thread_that_trains_does_not_keep_the_process(tmp_path):
    """Nor does it crash when the interpreter ends, with kernels at work."""
    path = tmp_path / "net.safetensors"
    # What was registered first is called last: the thread has a second to print what it would print.
    script = "import atexit, time\natexit.register(time.sleep, 1)\nepochs = 10**6\n" + FIT
    script += "threading.Thread(target=fit, daemon=True).start()\nbegun.wait()"
    assert run_script(script, str(path)).stderr == ""
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["fit", "predict"])
def test_interrupts_at_random_moments(what):
    """No memory is written to afterwards, and what follows gives the bits that it would have given."""
    script = f"from interrupts import at_random\nassert at_random(15, {what!r}) > 5"
    run_script(script, OMP_NUM_THREADS="4")
