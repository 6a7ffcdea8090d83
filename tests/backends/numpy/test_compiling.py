"""Compiling in another process while plain NumPy trains."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from gpunet_numpy import compiling, select
from gpunet_numpy.compiling import COMPILING, NO_LOCK, locked, unready_reason
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.tiered import Tiered, epoch_seconds, parts
from random_plans import DESCENTS, OTHERS, differences, draw, map_arrays, plan_of

PATHS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class Child:
    """A child process whose exit status is given."""

    def __init__(self, status=None):
        self.status = status

    def poll(self):
        return self.status


class Compiled:
    """A class that has not been compiled, and its kernel."""

    kernel = None


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What was started, in the background; each child is a `Child` until the test replaces `started.make`."""

    class Started(list):
        make = Child

    found = Started()
    monkeypatch.setenv("GPUNET_COMPILE", "background")
    monkeypatch.setattr(compiling, "_children", {})
    monkeypatch.setattr(
        compiling, "start", lambda name, dtype, lock: found.append((name, dtype)) or found.make()
    )
    monkeypatch.setattr("gpunet_numpy.compiled.cache.shared_folder", lambda: str(tmp_path))
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: False)
    return found


def children():
    return list(compiling._children.values())


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("wait", "wait"),
        ("never", "never"),
        ("background", "background"),
        ("", "background"),
        (None, "background"),
    ],
)
def test_values_of_the_variable(monkeypatch, value, means):
    monkeypatch.delenv("GPUNET_COMPILE")
    if value is not None:
        monkeypatch.setenv("GPUNET_COMPILE", value)
    assert compiling.setting() == means


def test_an_unknown_value(monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "later")
    with pytest.raises(
        ValueError, match="GPUNET_COMPILE is 'later'; expected 'wait', 'never' or 'background'"
    ):
        select.program_for(plan_of("softmax", DESCENTS["plain"], 5))


def test_one_child_for_a_class_and_a_dtype(with_numba, started):
    for dtype in ("float32", "float64", "float32"):
        assert unready_reason(Compiled, dtype) == COMPILING
    assert started == [(f"{__name__}:Compiled", "float32"), (f"{__name__}:Compiled", "float64")]
    children()[0].status = 0
    assert unready_reason(Compiled, "float32") is None
    assert unready_reason(Compiled, "float64") == COMPILING


@pytest.mark.parametrize(("status", "words"), [(1, "exit status 1"), (-9, "exit status -9")])
def test_a_child_that_fails_is_not_started_again(with_numba, started, status, words):
    started.make = lambda: Child(status)
    for _ in range(2):
        assert words in unready_reason(Compiled, "float32")
        assert "GPUNET_COMPILE=wait" in unready_reason(Compiled, "float32")
    assert len(started) == 1


def test_a_child_that_cannot_be_started(with_numba, started, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("GPUNET_COMPILE", "background")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "No such file" in compiling.start("a:b", "float32")
    monkeypatch.setattr(compiling, "_children", {(Compiled, "float32"): "No such file"})
    assert "failed (No such file)" in unready_reason(Compiled, "float32")


def test_with_wait_nothing_is_started(started, monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    assert unready_reason(Compiled, "float32") is None
    assert not started


def test_what_is_on_disk_starts_nothing(with_numba, started, monkeypatch):
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: True)
    assert unready_reason(Compiled, "float32") is None
    assert not started


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "C:/apps/my_app.exe"])
def test_an_application_that_contains_python_is_not_started_again(started, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert unready_reason(Compiled, "float32") is None
    monkeypatch.undo()
    assert compiling.can_start_python()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not compiling.can_start_python()


def test_a_process_that_nobody_waits_for():
    """In a session of its own, where Ctrl-C in a terminal does not reach it; its end leaves no zombie."""
    script = (
        "import os; print('unseen', flush=True); raise SystemExit(7 if os.getsid(0) == os.getpid() else 1)"
    )
    child = compiling.Detached([sys.executable, "-c", script], dict(os.environ), ())
    deadline = time.monotonic() + 60
    while child.returncode is None and time.monotonic() < deadline:  # nobody asks for it
        time.sleep(0.01)
    assert child.returncode == 7
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sleeping = compiling.Detached([sys.executable, "-c", "input()"], dict(os.environ), ())
        pid = sleeping.pid
        sleeping.__del__()
    assert sleeping.wait() == 1  # there is no standard input
    assert pid not in [popen.pid for popen in subprocess._active]


def test_another_process_compiles(with_numba, started, monkeypatch, tmp_path):
    """It is waited for, whatever it compiles; what it did not leave on disk is compiled then."""
    pytest.importorskip("fcntl")
    lock = locked(str(tmp_path / "compiling.lock"))
    assert [unready_reason(Compiled, dtype) for dtype in ("float32", "float64")] == [COMPILING] * 2
    assert not started and not children()
    os.close(lock)
    assert unready_reason(Compiled, "float64") == COMPILING
    assert started == [(f"{__name__}:Compiled", "float64")]
    os.close(locked(str(tmp_path / "compiling.lock")))  # it was the child's to hold
    answers = iter([False, True])
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: next(answers))
    assert unready_reason(Compiled, "float32") is None  # it finished between two looks
    assert len(started) == 1
    os.close(locked(str(tmp_path / "compiling.lock")))


def test_the_lock_is_held_by_the_child(tmp_path):
    pytest.importorskip("fcntl")
    path = str(tmp_path / "lock")
    lock = locked(path)
    child = compiling.Detached(
        [sys.executable, "-c", f"import os; os.read({lock}, 1); import time; time.sleep(600)"],
        dict(os.environ),
        (lock,),
    )
    os.close(lock)
    with pytest.raises(BlockingIOError):
        locked(path)
    child.kill()
    child.wait()
    os.close(locked(path))


def test_where_there_are_no_locks(monkeypatch, tmp_path):
    """No reason not to compile."""
    assert locked(str(tmp_path / "no folder" / "lock")) == NO_LOCK
    fcntl = pytest.importorskip("fcntl")

    def refuse(lock, how):
        raise OSError(errno.ENOLCK, "No locks available")

    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert locked(str(tmp_path / "lock")) == NO_LOCK
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert locked(str(tmp_path / "lock")) == NO_LOCK
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_the_children_are_another_process_s(monkeypatch):
    monkeypatch.setattr(compiling, "_children", {(Compiled, "float32"): Child()})
    old = compiling._starting
    compiling._after_fork()
    assert compiling._children == {}
    assert compiling._starting is not old


@pytest.mark.parametrize("used", [75, 38])
@pytest.mark.parametrize("shuffled", [True, False])
def test_parts_of_an_epoch_are_the_epoch(monkeypatch, used, shuffled):
    plan = plan_of("sigmoid-softmax", OTHERS["adam"], 5, weighted=True)
    monkeypatch.setattr("gpunet_numpy.tiered.PART_SECONDS", 4.5 / plan.steps * epoch_seconds(plan))
    _, inputs = draw(plan, shuffled=shuffled, used=used)
    inputs = inputs._replace(dropout_keys=np.arange(plan.steps)[:, None])
    found = list(parts(plan, inputs))
    whole = used if shuffled else 75
    assert [part.examples for part in found] == [20] * (whole // 20) + [whole % 20]
    assert np.array_equal(
        np.concatenate([part.order for part in found]), inputs.order if shuffled else np.arange(75)
    )
    for name in ("coefficients", "dropout_keys"):
        for k, part in enumerate(found):
            assert np.array_equal(getattr(part, name), getattr(inputs, name)[4 * k : 4 * k + 4])
    monkeypatch.setattr("gpunet_numpy.tiered.PART_SECONDS", 1.0)
    assert list(parts(plan, inputs)) == [inputs]


@pytest.mark.parametrize("last", [0, 1])
def test_a_run_changes_over_when_its_child_has_finished(monkeypatch, last):
    """In the midst of an epoch; or the child fails, and the run goes on as it was."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 5)
    monkeypatch.setattr("gpunet_numpy.tiered.PART_SECONDS", 0.34 * epoch_seconds(plan))
    answers = iter([(None, COMPILING)] * 6 + [(None, "it failed") if last else (Blocked, "")])
    asked = []

    def compiled_program(plan):
        asked.append(plan)
        return next(answers)

    program = Tiered(plan, Accumulation, compiled_program, 0.0)
    state, inputs = draw(plan)
    before = map_arrays(np.copy, (state, inputs))
    names = []
    for _ in range(3):
        result = program(state, inputs)
        assert not differences(plan, result, Blocked(plan)(*before))
        names.append((program.name, program.reason))
    first, both = "numpy gradient accumulation", "numpy gradient accumulation, then numpy blocked SGD"
    # Three parts an epoch, and a look before each and before the first: the seventh is in the second epoch.
    after = (first, "it failed") if last else (both, COMPILING)
    assert names == [(first, COMPILING), after, after]
    assert len(asked) == 7


def test_large_plans_begin_in_plain_numpy_while_they_are_compiled(with_numba, started):
    plan = plan_of("wider", OTHERS["adam"], 1000, "float32", examples=60_000, inputs=784)
    program, reason = select.program_for(plan)
    assert (program.name, reason) == ("numpy gradient accumulation", COMPILING)
    assert [name for name, _ in started] == ["gpunet_numpy.compiled.minibatch.program:MiniBatch"]
    assert select.program_for(plan)[1] == COMPILING
    children()[0].status = 0
    assert select.program_for(plan)[0].name == "compiled mini-batch"
    children()[0].status = 1
    program, _ = select.program_for(plan)
    assert program.name == "numpy gradient accumulation"
    assert not isinstance(program, Tiered)


def test_a_predictor_is_used_once_it_is_compiled(with_numba, started, monkeypatch):
    rng = np.random.default_rng(0)
    W, b, X = rng.random((200, 300)), rng.random((200, 1)), rng.random((3, 300))
    later = select.predictor(("identity",), [(W, b)])
    assert later(X) is None
    assert started == [("gpunet_numpy.compiled.predict.program:Predictor", "float64")]
    children()[0].status = 0
    monkeypatch.setattr(
        "gpunet_numpy.compiled.predict.program.Predictor.__call__", lambda self, X: self.made_of
    )
    assert later(X)[1] == [(W, b)]
    assert type(select.predictor(("identity",), [(W, b)])).__name__ == "Predictor"


SCRIPT = """
import numpy as np
import gpunet as gn
from gpunet_numpy import compiling

rng = np.random.default_rng(0)
X, y = rng.random((2000, 20), dtype="float32"), rng.integers(0, 2, 2000)

def fit(backend, callbacks=()):
    net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], seed=0, backend=backend)
    optimizer = gn.GradientDescent(0.1, 0.5)
    return net.fit(X, y, optimizer=optimizer, batch_size=50, epochs=400, callbacks=callbacks), net.parameters

def wait(net, history):
    if net.epochs_trained == 300:
        assert history.program == "reference", history.program
        assert history.reason == compiling.COMPILING, history.reason
        (child,) = compiling._children.values()
        assert child.wait() == STATUS

found, parameters = fit("numpy", wait)
print(found.program)
print(found.reason)
if STATUS == 0:
    expected, others = fit("readonly")
    assert expected.program == "reference"
    assert np.allclose(found.loss, expected.loss, rtol=1e-4)
    for (W, b), (V, c) in zip(parameters, others):
        assert np.allclose(W, V, atol=1e-3) and np.allclose(b, c, atol=1e-3)
    again, _ = fit("numpy")
    assert again.program == found.program
    assert len(compiling._children) == 1

    from gpunet_numpy.compiled.cache import is_on_disk
    from gpunet_numpy.compiled.tiny.program import Tiny

    assert [is_on_disk(Tiny.kernel, dtype) for dtype in ("float32", "float64")] == [True, False]
"""


def run(script, folder, status=0):
    """Lines that a script prints. It and the folder where it starts have nothing to do with the sources."""
    (folder / "here").mkdir(exist_ok=True)
    (folder / "here" / "numpy.py").write_text("raise ImportError('a file of the user')")
    (folder / "main.py").write_text(script.replace("STATUS", str(status)))
    settings = PATHS | {"GPUNET_COMPILE": "background", "NUMBA_CACHE_DIR": str(folder / "cache")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(folder / "main.py")],
        env=os.environ | settings,
        cwd=folder / "here",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.splitlines()


@pytest.mark.slow
def test_a_first_run_changes_to_the_program_that_a_child_compiled(with_numba, tmp_path):
    assert run(SCRIPT, tmp_path) == [
        "reference, then compiled tiny network",
        compiling.COMPILING,
    ]
    # In the next process it is on disk: as with "wait".
    program, reason = run(SCRIPT.replace("callbacks=callbacks", "callbacks=()"), tmp_path, status=None)
    assert program == "reference, then compiled tiny network"
    assert "once the run has lasted" in reason


@pytest.mark.slow
def test_a_first_run_goes_on_if_the_child_dies(with_numba, tmp_path):
    script = SCRIPT.replace("assert child.wait() == STATUS", "child.kill(); child.wait()")
    program, reason = run(script, tmp_path, status=None)
    assert program == "reference"
    assert "compiling in another process failed" in reason


@pytest.mark.slow
def test_a_child_that_cannot_write_the_cache_says_so(with_numba, tmp_path):
    full = """
import errno, sys
from numba.core.caching import IndexDataCacheFile
from gpunet_numpy.compiled import ahead

def save(self, name, data):
    raise OSError(errno.ENOSPC, "No space left on device")

IndexDataCacheFile._save_data = save  # the index is written before
sys.argv = ["ahead", "gpunet_numpy.compiled.tiny.program:Tiny", "float32"]
try:
    ahead.main()
except SystemExit as error:
    print("exit:", error)
"""
    assert run(full, tmp_path) == ["exit: numba's cache could not be written"]


SHORT = """
import os
from gpunet_numpy import compiling
from gpunet_numpy.compiled.tiny.program import Tiny

print(compiling.unready_reason(Tiny, "float64") == compiling.COMPILING, *(c.pid for c in compiling._children.values()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_short_runs_share_one_compilation(with_numba, tmp_path):
    """The first one's child goes on; it holds neither its pipes nor its terminal."""
    first, *more = run(SHORT, tmp_path)  # `run` reads to the end of its output
    assert not more
    compiling_now, pid = first.split()
    try:
        os.kill(int(pid), signal.SIGSTOP)
        assert compiling_now == "True"
        assert os.getsid(int(pid)) == int(pid)
        assert [run(SHORT, tmp_path) for _ in range(3)] == [["True"]] * 3
        assert run(SHORT.replace("float64", "float32"), tmp_path) == ["True"]
        os.kill(int(pid), signal.SIGCONT)
        deadline = time.monotonic() + 250
        while run(SHORT, tmp_path) == ["True"]:
            assert time.monotonic() < deadline
        assert run(SHORT, tmp_path) == ["False"]
        assert list(tmp_path.rglob("*.nbc"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
