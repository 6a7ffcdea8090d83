"""Runs mutants in forked children of one pytest session: tests are collected and packages imported once.

A child puts the mutated functions' code into the functions that stand in memory, and runs the tests that reach
the fault. The first failure ends it. Which tests reach a line is measured first, in a child of its own.
"""

import os
import pickle
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutation.mutants import ROOMS, ROOT

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


def run(mutants, jobs=2, report=print, own=False):
    """``({mutant name: outcome}, {module path: tests that reach it})``; only mutants of functions have outcomes.

    With `own`, the tests of the mutants' own rooms alone run.
    """
    session = Session(mutants, jobs, report)
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

    def __init__(self, mutants, jobs, report):
        self.mutants, self.jobs, self.report = mutants, jobs, report
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
            self.measure(fast, self.mutants)
            if self.error is None:
                self.run_mutants(self.mutants)
                self.run_slow_tests(set(fast))
        return True

    def run_slow_tests(self, fast):
        """On the mutants that the fast tests leave, those of their own rooms."""
        left = [m for m in self.mutants if self.outcomes.get(m.name, KILLED) != KILLED]
        rooms = tuple({f"tests/{room_of(m.path)}/" for m in left})
        slow = [name for name in self.items if name not in fast and name.startswith(rooms)]
        if left and slow:
            self.measure(slow, left)
            if self.error is None:
                self.run_mutants(left)

    # --- which tests reach which lines ---

    def measure(self, names, mutants):
        """Run the tests of these names, for these mutants."""
        started = time.time()
        files = [self.folder / f"coverage {job}" for job in range(self.jobs)]

        def trace(job):
            files[job].write_bytes(pickle.dumps(self.trace(names[job :: self.jobs], mutants)))

        children = [self.fork(lambda j=job: trace(j)) for job in range(self.jobs)]
        for child in children:
            _, status = os.waitpid(child, 0)
            self.forget(child)
            if status != 0:
                self.error = f"a child that measures coverage died, {described(status)}"
        if self.error is not None:
            return
        self.reached, failed = {}, []
        for file in files:
            reached, seconds, failing = pickle.loads(file.read_bytes())
            for place, tests in reached.items():
                self.reached.setdefault(place, set()).update(tests)
            self.seconds |= seconds
            failed += failing
        if failed:
            self.error = "these tests fail without any mutant: " + ", ".join(failed)
        # A module of constants has no lines that are traced; its room's tests count all the same.
        paths = [path for path, _ in self.reached] + [mutant.path for mutant in mutants]
        modules = {path: set() for path in paths}
        for (path, _), tests in self.reached.items():
            modules[path] |= tests
        for path, tests in modules.items():
            # Generated methods of dataclasses are not traced: all tests of the module's own room count.
            tests |= {name for name in names if name.startswith(f"tests/{room_of(path)}/")}
        for path, tests in modules.items():
            # Without parameters: a fault may change their names.
            found = dict.fromkeys(test.partition("[")[0] for test in self.sorted(path, tests))
            self.reaching_modules.setdefault(path, list(found))
        self.report(f"{len(names)} tests, coverage measured in {time.time() - started:.0f} s")

    def trace(self, names, mutants):
        """``({(path, line): ids of tests}, {id: seconds}, ids of tests that fail)``, of these tests."""
        paths = {str(ROOT / mutant.path): mutant.path for mutant in mutants}
        wanted = {file: set() for file in paths}
        for mutant in mutants:
            wanted[str(ROOT / mutant.path)].update(mutant.lines)
        # For faults that act on import, all tests count that call any function of the module.
        any_call = {str(ROOT / mutant.path) for mutant in mutants if not mutant.in_function}
        lines, reached, seconds, failed, known = set(), {}, {}, [], {}

        def places(code):
            """The lines of one function that matter. Python would compare code objects by what is in them."""
            if id(code) not in known:
                file = code.co_filename
                inside = {number for *_, number in code.co_lines()} & wanted[file]
                inside |= {code.co_firstlineno} if file in any_call else set()
                known[id(code)] = code, {(file, number) for number in inside}
            return known[id(code)][1]

        def line(frame, event, argument):
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        def call(frame, event, argument):
            # Tracing lines takes most of the time: it ends where a test has reached all that matters.
            if frame.f_code.co_filename not in wanted or places(frame.f_code) <= lines:
                return None
            return line(frame, event, argument)

        for name in names:
            lines.clear()
            started = time.process_time()
            threading.settrace(call)
            sys.settrace(call)
            ok = self.passes([name])
            sys.settrace(None)
            threading.settrace(None)
            seconds[name] = time.process_time() - started
            failed += [] if ok else [name]
            for file, number in lines:
                reached.setdefault((paths[file], number), set()).add(name)
        return reached, seconds, failed

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
        put_into_memory(mutant)
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


def described(status):
    """How a process has ended, from the status that `os.wait` gives."""
    if os.WIFEXITED(status):
        return f"with exit status {os.WEXITSTATUS(status)}"
    return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"


def put_into_memory(mutant):
    """Give the functions of a module the code of the mutated source."""
    name = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    module = sys.modules[name]
    for qualified, code in functions(compile(mutant.source, module.__file__, "exec")).items():
        owner = module
        *path, last = qualified.split(".")
        for part in path:
            owner = vars(owner)[part]
        function = vars(owner)[last]
        if hasattr(function, "cache_clear"):
            function.cache_clear()
        plain(function).__code__ = code


def functions(code, path=""):
    """Code of the functions and methods of a module, by qualified name; not of those inside functions."""
    found = {}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and not inner.co_name.startswith("<"):
            if inner.co_flags & 0x1:  # CO_OPTIMIZED: a function, no class body
                found[path + inner.co_name] = inner
            else:
                found |= functions(inner, f"{path}{inner.co_name}.")
    return found


def plain(function):
    """The function inside properties, class methods and wrappers."""
    for name in ("fget", "func", "__func__", "__wrapped__"):
        if hasattr(function, name):
            return plain(getattr(function, name))
    return function
