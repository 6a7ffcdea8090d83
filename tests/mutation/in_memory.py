"""Runs mutants in forked children of one pytest session: tests are collected and packages imported once.

A child puts the mutated functions' code into the functions that stand in memory, and runs the tests that reach
the fault. The first failure ends it. Which tests reach a line is measured first, in a child of its own, or has been
recorded by another run of the tests: see `record.py`.
"""

import os
import pickle
import re
import shutil
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutation.mutants import ROOMS, ROOT
from tests.mutation.reach import Reach, put_into_memory

# Left out, by words in the tests' ids. Torch and JAX start threads, which a fork does not survive; what is true on
# NumPy and on one other library is enough.
OTHER_LIBRARIES = ("torch", "jax", "cupy", "scikit_learn", "scipy")
# In the folder of another room.
OTHER_TESTS = {"tables": "tests/datasets/test_table_files.py"}
# These start interpreters, import all libraries, or train on fifty tables.
ELSEWHERE = (
    "test_list_of_backends",
    "test_a_backend_of_another_package",
    "test_import_loads_no_other_library",
    "test_using_numpy_needs_no_other_library",
    "test_killed_in_the_middle",
    "test_from_every_backend_to_every_other",
    "test_tables_as_people_have_them",
)


def left_out(item):
    """Whether a test takes time and kills nothing more. The strict library counts for inputs alone."""
    test = item.nodeid
    strict = "strict" in test and not test.startswith("tests/inputs/")
    # What the estimators are compared with is scikit-learn alone.
    words = ("torch", "jax") if test.startswith("tests/estimators/") else OTHER_LIBRARIES
    return strict or any(word in test for word in (*words, *ELSEWHERE))


def room_of(path):
    """The room of a module, which is also the name of its folder of tests."""
    room = Path(path).parts[1].removesuffix(".py")
    return "network" if room in ("network_base", "prediction") else room


KILLED, SURVIVED, UNREACHED = "killed", "survived", "not reached by any test"


def run(mutants, jobs=2, report=print, own=False, recorded=None):
    """``({mutant name: outcome}, {module path: tests that reach it})``; only mutants of functions have outcomes.

    With `own`, the tests of the mutants' own rooms alone run. `recorded` is the folder where another run of the tests
    has recorded what they reach.
    """
    session = Session(mutants, jobs, report, None if recorded is None else recordings(recorded))
    os.environ.pop("GPUNET_NO_SKIPS", None)
    paths = [mutant.path for mutant in mutants] if own else [f"gpunet/{room}" for room in ROOMS]
    folders = sorted({f"tests/{room_of(path)}" for path in paths})
    more = [file for room, file in OTHER_TESTS.items() if f"tests/{room}" in folders]
    plugins = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:benchmark", "--capture=sys"]
    options = ["--rootdir", str(ROOT), "-o", "addopts=", "--import-mode=importlib", *plugins]
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when a child first uses them
    status = pytest.main([*options, *folders, *more], plugins=[session])
    if session.error or status != 0:
        raise SystemExit(session.error or f"pytest could not collect the tests: exit status {status}")
    return session.outcomes, session.reaching_modules


class Session:
    """The pytest plugin."""

    def __init__(self, mutants, jobs, report, recorded=None):
        self.mutants, self.jobs, self.report, self.recorded = mutants, jobs, report, recorded
        self.outcomes, self.reaching_modules = {}, {}
        self.seconds = {}
        self.error = None
        self.failed = False

    def pytest_configure(self, config):
        from hypothesis import Phase, settings  # not before pytest has prepared it

        # A failure is enough: there is no need for the smallest one.
        settings.register_profile("mutation", phases=[Phase.explicit, Phase.generate], database=None)
        settings.load_profile("mutation")
        config.option.tbstyle = "no"  # nobody reads it

    def pytest_collection_modifyitems(self, items):
        """Leave out what only takes time."""
        items[:] = [item for item in items if not left_out(item)]

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        """In the place of pytest's own loop over the tests."""
        if session.testsfailed:
            self.error = "the tests can't be collected"
            return True
        if threads_of_polars():  # a child would wait for ever for what they do not do
            self.error = (
                "a module of tests starts Polars' threads when it is imported: use Polars in tests alone"
            )
            return True
        if "polars" in sys.modules:
            import_module("narwhals")  # once, and not in each child: gpunet imports it when a frame comes
        self.items = {item.nodeid: item for item in session.items}
        fast = [name for name, item in self.items.items() if not item.get_closest_marker("slow")]
        with tempfile.TemporaryDirectory() as folder:
            self.folder = Path(folder)
            self.run_those_that_reach(self.mutants, fast)
            if self.recorded is not None:
                # The first test that calls a cached function reaches what it calls: in the run that was recorded, that
                # may have been one of those that are left out.
                self.recorded = None
                self.run_those_that_reach(self.left(), fast)
            left, fast = self.left(), set(fast)
            rooms = tuple({f"tests/{room_of(m.path)}/" for m in left})
            slow = [name for name in self.items if name not in fast and name.startswith(rooms)]
            self.run_those_that_reach(left, slow)
        return True

    def left(self):
        """The mutants that have not been killed."""
        return [m for m in self.mutants if self.outcomes.get(m.name, KILLED) != KILLED]

    def run_those_that_reach(self, mutants, names):
        """Run the tests of these names on the mutants, each test on those that it reaches."""
        if mutants and names and self.error is None:
            self.measure(names, mutants)
        if mutants and names and self.error is None:
            self.run_mutants(mutants)

    # --- which tests reach which lines ---

    def measure(self, names, mutants):
        """Find out what the tests of these names reach, for these mutants."""
        started = time.time()
        files = self.run_on_marks(names, mutants) if self.recorded is None else self.recorded
        if self.error is not None:
            return
        self.reached = {}
        for file in files:
            reached, seconds = pickle.loads(file.read_bytes())
            for place, tests in reached.items():
                self.reached.setdefault(place, set()).update(tests.intersection(names))
            self.seconds |= {name: seconds[name] for name in names if name in seconds}
        names = [name for name in names if name in self.seconds]
        # A module of constants has no marks; its room's tests count all the same.
        paths = [path for path, _ in self.reached] + [mutant.path for mutant in mutants]
        modules = {path: set() for path in paths}
        for (path, _), tests in self.reached.items():
            modules[path] |= tests
        for path, tests in modules.items():
            # Generated methods of dataclasses have no marks: all tests of the module's own room count.
            tests |= {name for name in names if name.startswith(f"tests/{room_of(path)}/")}
        for path, tests in modules.items():
            # Without parameters: a fault may change their names.
            found = dict.fromkeys(test.partition("[")[0] for test in self.sorted(path, tests))
            self.reaching_modules.setdefault(path, list(found))
        how = "measured" if self.recorded is None else "recorded before, read"
        self.report(f"{len(names)} tests, coverage {how} in {time.time() - started:.0f} s")

    def run_on_marks(self, names, mutants):
        """Run tests in children, on modules with marks; the files in which they write what was reached."""
        files = [self.folder / f"reached {job}" for job in range(self.jobs)]

        def trace(job):
            reach = Reach(mutants)
            reach.put_marks(ROOT)
            for name in names[job :: self.jobs]:
                reach.begin()
                self.passes([name])
                reach.end(name)
            files[job].write_bytes(pickle.dumps((reach.tests, reach.seconds)))

        self.in_children(trace)
        return files

    def in_children(self, work):
        """``work(job)`` for each job, without any mutant; an error if a child dies, or a test fails."""
        children = [self.fork(lambda j=job: work(j)) for job in range(self.jobs)]
        for child in children:
            _, status = os.waitpid(child, 0)
            self.forget(child)
            if status != 0 and self.error is None:
                self.error = f"a child without any mutant died, {described(status)}"
        if failed := self.failed_tests():
            self.error = "these tests fail without any mutant: " + ", ".join(sorted(failed))

    def failed_tests(self):
        """The tests that have failed in children since the last call."""
        files = list(self.folder.glob("failed *"))
        found = {name for file in files for name in file.read_text(encoding="utf-8").splitlines()}
        for file in files:
            file.unlink()
        return found

    def tests_of(self, mutant):
        if mutant.tests:
            return [name for name in self.items if name.startswith(mutant.tests) and name in self.seconds]
        tests = set().union(*(self.reached.get((mutant.path, line), ()) for line in mutant.lines))
        return self.sorted(mutant.path, tests)

    def sorted(self, path, tests):
        """The tests of the module's own room first, and fast ones before slow ones."""
        room = f"tests/{room_of(path)}/"
        return sorted(tests, key=lambda t: (not t.startswith(room), self.seconds[t]))

    # --- mutants ---

    def run_mutants(self, mutants):
        running = {}
        for mutant in (m for m in mutants if m.in_function):
            tests = self.tests_of(mutant)
            if not tests:
                self.outcomes.setdefault(mutant.name, UNREACHED)
                continue
            if len(running) == self.jobs:
                self.wait(running)
            running[self.fork(lambda m=mutant, t=tests: self.survives(m, t))] = mutant
        while running:
            self.wait(running)
        killed = sorted(self.failed_tests())
        if (
            self.recorded is not None
        ):  # that they pass without a mutant, too, has been seen in other processes alone
            self.in_children(lambda job: [self.passes([name]) for name in killed[job :: self.jobs]])

    def wait(self, running):
        child, status = os.wait()
        self.forget(child)
        mutant = running.pop(child)
        survived = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        self.outcomes[mutant.name] = SURVIVED if survived else KILLED
        if survived:
            self.report(f"survived: {mutant.name}")
        if os.WIFSIGNALED(status):
            self.report(f"killed by the time limit, or a crash: {mutant.name}")

    def survives(self, mutant, tests):
        put_into_memory(mutant.path, compile(mutant.source, str(ROOT / mutant.path), "exec"))
        if not self.passes(tests):
            raise SystemExit(1)

    def passes(self, tests):
        """Whether these tests pass, in order. A test that takes far too long kills the process."""
        self.failed = False
        items = [self.items[name] for name in tests]
        for item, after in zip(items, [*items[1:], None], strict=True):
            # Endless loops use up the processor's time, deadlocks do not.
            signal.setitimer(signal.ITIMER_PROF, 5 + 5 * self.seconds.get(item.nodeid, 20))
            signal.setitimer(signal.ITIMER_REAL, 300)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if self.failed:
                with (self.folder / f"failed {os.getpid()}").open("a", encoding="utf-8") as names:
                    print(item.nodeid, file=names)
                return False
        return True

    def fork(self, work):
        """Do `work` in a child, with a temporary folder of its own; its status is 0 if nothing is raised."""
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(self.folder / str(os.getpid()))
            Path(os.environ["PYTEST_DEBUG_TEMPROOT"]).mkdir()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor in (1, 2):
                os.dup2(nowhere, descriptor)
            work()
            status = 0
        finally:
            os._exit(status)

    def forget(self, child):
        shutil.rmtree(self.folder / str(child), ignore_errors=True)


def threads_of_polars():
    """Names of those that compute, which are started by their first use; none where there is no ``/proc``."""
    names = (path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
    return [name for name in names if re.fullmatch(r"polars-\d+", name)]


def recordings(folder):
    """The files that `record.py` has written.

    Raises
    ------
    SystemExit
        If there are none.
    """
    files = sorted(Path(folder).glob("*.pickle"))
    if not files:
        raise SystemExit(f"{folder} holds no recordings: run pytest with -p tests.mutation.record first")
    return files


def described(status):
    """How a process has ended, from the status that `os.wait` gives."""
    if os.WIFEXITED(status):
        return f"with exit status {os.WEXITSTATUS(status)}"
    return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
