"""The mutation tool: its operators, its tables, and that it can tell a killed mutant from a survivor."""

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.mutation import record
from tests.mutation.__main__ import chosen, equivalent, verdict
from tests.mutation.in_copy import run_one
from tests.mutation.in_memory import KILLED, SURVIVED, recordings
from tests.mutation.mutants import ROOT, Mutant, mutants_of, planted, room_files
from tests.mutation.reach import Reach, functions, put_into_memory

pytestmark = pytest.mark.slow

SOURCE = '''"""A module."""

LIMIT = 3


def f(a, b=2, *, scale=1.0):
    """A docstring with 1 + 1."""
    if a < b and not scale:
        raise ValueError(f"too small: {a + 1}, by name")
    a = g(a, key="name")
    a += 1
    a.x = [v for v in b[1:] if v is not None]
    g(a)
    return -a * 2
'''


@pytest.fixture
def found(tmp_path):
    (tmp_path / "gpunet").mkdir()
    path = tmp_path / "gpunet" / "module.py"
    path.write_text(SOURCE, encoding="utf-8")
    return mutants_of(path, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("b=2", "b=3"),
        ("scale=1.0", "scale=2.0"),
        ("if a < b and not scale", "if (not (a < b and not scale))"),
        ("a < b", "(a <= b)"),
        ("a < b and not scale", "((a < b) or (not scale))"),
        ("not scale", "(scale)"),
        ('raise ValueError(f"too small: {a + 1}, by name")', "pass"),
        ('a = g(a, key="name")', "pass"),
        ('g(a, key="name")', "g(a)"),
        ('"name")\n', "'name_')\n"),
        ("a += 1", "pass"),
        ("a += 1", "a -= 1"),
        ("a.x = [v for v in b[1:] if v is not None]", "pass"),
        ("b[1:]", "b[(1) + 1:]"),
        ("v is not None", "(v is None)"),
        ("    g(a)\n", "    pass\n"),
        ("return -a * 2", "return None"),
        ("-a * 2", "((-a) / (2))"),
        ("-a", "(a)"),
        ("* 2", "* 3"),
    ],
)
def test_operators(found, old, new):
    assert SOURCE.count(old) == 1
    assert SOURCE.replace(old, new) in [mutant.source for mutant in found]


def test_mutants_are_valid_and_differ(found):
    assert len({mutant.source for mutant in found}) == len({mutant.name for mutant in found}) == len(found)
    for mutant in found:
        assert ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse(SOURCE)), mutant.name
        assert "A docstring with 1 + 1." in mutant.source
        assert "too small: {a + 1}, by name" in mutant.source or "pass" in mutant.source
    at_import = {m.name for m in found if not m.in_function}
    assert at_import == {
        "module | LIMIT = 3 | 3 → 4",
        "module | def f(a, b=2, *, scale=1.0): | 2 → 3",
        "module | def f(a, b=2, *, scale=1.0): | 1.0 → 2.0",
    }


def test_names_do_not_depend_on_the_code_around(tmp_path, found):
    path = tmp_path / "gpunet" / "module.py"
    path.write_text("# moved\n\n" + SOURCE, encoding="utf-8")
    assert [m.name for m in mutants_of(path, tmp_path)] == [m.name for m in found]


def test_sets_of_characters_are_left_alone(tmp_path):
    path = tmp_path / "gpunet" / "module.py"
    path.parent.mkdir()
    path.write_text('def f(kind):\n    return kind in "biuf"\n', encoding="utf-8")
    assert [m.name.rpartition(" | ")[2] for m in mutants_of(path, tmp_path)] == [
        'return kind in "biuf" → return None',
        'kind in "biuf" → not in',
    ]


def test_the_lines_that_must_run(found):
    lines = {m.name: m.lines for m in found}
    assert lines["module.f | if a < b and not scale: | a < b → <="] == range(8, 9)
    assert lines["module.f | return -a * 2 | return -a * 2 → return None"] == range(14, 15)


def test_functions_of_a_module():
    source = (
        "class A:\n    def f(self):\n        def inner(): pass\n        return [1 for _ in ()]\ndef g(): pass"
    )
    assert functions(compile(source, "x", "exec")).keys() == {"A.f", "g"}


MARKED = '''"""A module."""
import functools


def f(x):
    """A docstring."""
    total = 0
    for i in range(x):
        if i == 1:
            total += 10
        elif i == 2:
            continue
        else:
            total += 1
    try:
        total += 1 // (x - 3)
    except ZeroDivisionError:
        total = -1
    else:
        total += 2
    finally:
        total += 3

    def inner(y):
        return y + 1

    with open(__file__):
        match x:
            case 4:
                total = inner(total)
            case _:
                total -= 1
    while total > 5:
        total -= 5
        if total == 7:
            break
    return total


@functools.cache
def cached(x):
    return x + 1


class A:
    x_ = 0

    @property
    def x(self):
        return self.x_

    @x.setter
    def x(self, value):
        self.x_ = value

    @functools.cached_property
    def y(self):
        return cached(self.x)

    @classmethod
    def z(cls):
        return cls().y
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "module_with_marks.py").write_text(MARKED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("module_with_marks")
    del sys.modules["module_with_marks"]


def lines_of(call, file):
    """The lines of a file that a call comes to, as Python reports them."""
    found = set()

    def trace(frame, event, argument):
        if frame.f_code.co_filename == file:
            if event == "line":
                found.add(frame.f_lineno)
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return found


def statements():
    """The first lines of the statements in functions."""
    functions = [node for node in ast.walk(ast.parse(MARKED)) if isinstance(node, ast.FunctionDef)]
    within = {one for f in functions for one in ast.walk(f) if isinstance(one, ast.stmt) and one is not f}
    return {one.lineno for one in within if ast.get_source_segment(MARKED, one) != '"""A docstring."""'}


def test_marks_are_reached_where_their_lines_are(module, tmp_path):
    def set_and_get():
        a = module.A()
        a.x = 5
        return a.x, a.y, module.A.z()

    calls = {f"f {x}": lambda x=x: module.f(x) for x in range(6)} | {"A": set_and_get}
    wanted = statements()
    traced = {name: lines_of(call, module.__file__) & wanted for name, call in calls.items()}
    values = {name: call() for name, call in calls.items()}
    assert set().union(*traced.values()) == wanted

    mutants = [Mutant("", "module_with_marks.py", "", range(line, line + 1), True) for line in wanted]
    reach = Reach(mutants)
    reach.put_marks(tmp_path)  # which forgets what has been cached
    for name, call in calls.items():
        reach.begin()
        assert call() == values[name]
        reach.end(name)
        assert {line for (_, line), tests in reach.tests.items() if name in tests} == traced[name], name
    assert reach.seconds.keys() == calls.keys()


def test_faults_that_act_on_import_are_reached_by_any_call(module, tmp_path):
    reach = Reach([Mutant("", "module_with_marks.py", "", range(46, 47), False)])
    reach.put_marks(tmp_path)
    for name, call in {"none": lambda: 0, "f": lambda: module.f(0), "A.z": module.A.z}.items():
        reach.begin()
        call()
        reach.end(name)
    assert set().union(*reach.tests.values()) == {"f", "A.z"}


def test_a_fault_is_put_into_its_function_alone(module):
    for old, new in (("x_ = value", "x_ = 2 * value"), ("return self.x_", "return self.x_ + 1")):
        put_into_memory("module_with_marks.py", compile(MARKED.replace(old, new), "x", "exec"))
        a = module.A()
        a.x = 5
        assert (a.x, a.x_) == ((10, 10) if "value" in old else (6, 5))


def test_a_recording(module, tmp_path, monkeypatch):
    mutants = [Mutant("", "module_with_marks.py", "", range(line, line + 1), True) for line in (10, 18)]
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "all_mutants", lambda: mutants)
    monkeypatch.setenv("GPUNET_SAMPLE", "2")
    monkeypatch.setenv("GPUNET_REACHED", str(tmp_path / "new"))
    with pytest.raises(SystemExit, match="holds no recordings"):
        recordings(tmp_path / "new")
    plugins = []
    manager = SimpleNamespace(register=plugins.append)
    record.pytest_collection_finish(SimpleNamespace(config=SimpleNamespace(pluginmanager=manager)))
    (recorder,) = plugins
    for x in (1, 2, 3):
        running = recorder.pytest_runtest_protocol(SimpleNamespace(nodeid=f"f({x})"))
        next(running)
        module.f(x)
        with pytest.raises(StopIteration):
            running.send(None)
    recorder.pytest_sessionfinish()
    (file,) = recordings(tmp_path / "new")
    tests, seconds = pickle.loads(file.read_bytes())
    assert tests == {("module_with_marks.py", 10): {"f(2)", "f(3)"}, ("module_with_marks.py", 18): {"f(3)"}}
    assert seconds.keys() == {"f(1)", "f(2)", "f(3)"}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc: threads can't be seen")
def test_threads_of_polars_are_seen():
    """A child of a process that has started them waits for ever."""
    code = (
        "import polars as pl; from tests.mutation.in_memory import threads_of_polars; s = pl.Series([2, 1]);"
        "assert not threads_of_polars(); s.unique(); assert threads_of_polars()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def changed_statement(mutant, source, tree):
    """The one statement of the module's top level that a mutant changes: the rest compiles as it did."""
    old, new = source.splitlines(), mutant.source.splitlines()
    (first, last) = next(
        (min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]), node.end_lineno)
        for node in tree.body
        if mutant.lines[0] <= node.end_lineno
    )
    end = len(new) - (len(old) - last)
    assert new[: first - 1] == old[: first - 1] and new[end:] == old[last:], mutant.name
    return "\n".join(new[first - 1 : end])


def test_mutants_of_the_rooms_compile():
    """Some of each module."""
    names = []
    for path in room_files():
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        for k, mutant in enumerate(mutants_of(path)):
            names.append(mutant.name)
            if k % 4:
                continue
            try:
                compile(changed_statement(mutant, source, tree), mutant.path, "exec")
            except SyntaxError as error:
                pytest.fail(f"{mutant.name}: {error}")
    assert len(set(names)) == len(names) > 2000
    gone = set(equivalent()) - set(names)
    assert not gone, f"listed in equivalent.txt, but no longer there: {gone}"


@pytest.mark.parametrize("table", ["faults.toml", "kernels.toml"])
def test_tables_fit_the_code(table):
    rows = planted(ROOT / "tests" / "mutation" / table)
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.source != (ROOT / row.path).read_text(encoding="utf-8")
        assert row.tests or table == "faults.toml"
        for test in row.tests:
            place = ROOT / test.partition("::")[0]
            assert place.exists() or not test.startswith("tests/"), f"{row.name}: there is no {test}"


def test_a_row_whose_text_is_gone_is_refused(tmp_path):
    table = tmp_path / "table.toml"
    table.write_text('[[fault]]\nname = "n"\nfile = "gpunet/errors.py"\nold = "no such text"\nnew = ""\n')
    with pytest.raises(ValueError, match=r"n: gpunet/errors\.py must hold this text once"):
        planted(table)


@pytest.mark.parametrize(
    ("source", "outcome"),
    [("import os; os.abort()", KILLED), ("1 / 0", KILLED), ("def accuracy(): pass", KILLED), ("", None)],
)
def test_a_mutant_in_a_copy_of_the_tree(source, outcome):
    """A crash, a module that can't be imported, and a failing test are noticed."""
    path = "gpunet/core/accuracy.py"
    before = (ROOT / path).read_text(encoding="utf-8")
    mutant = Mutant("m", path, f"{before}\n{source}\n", range(1, 2), False)
    assert run_one(mutant, ["tests/core/test_accuracy.py"], (), 300) == (outcome or SURVIVED)


def test_samples(found):
    assert chosen(found, "", None, 0) == found
    assert chosen(found, "LIMIT", None, 0) == [m for m in found if "LIMIT" in m.name]
    some = chosen(found, "", 5, 1)
    assert len(some) == 5
    assert some == chosen(found, "", 5, 1) != chosen(found, "", 5, 2)
    assert len({*some} - {*chosen([m for m in found if m != some[2]], "", 5, 1)}) == 1


def test_verdicts(capsys):
    outcomes = {f"mutant {i}": KILLED for i in range(19)} | {"same": SURVIVED}
    assert verdict(outcomes, {"same": "why", "elsewhere": "not run"}, 1.0) == 0
    assert "killed 19 of 20 (95.0%)" in capsys.readouterr().out
    assert verdict(outcomes, {}, 1.0) == 1
    assert "UNLISTED  same" in capsys.readouterr().out
    assert verdict(outcomes, {"same": "why", "mutant 3": "wrong"}, 1.0) == 1
    assert "LISTED, BUT KILLED  mutant 3" in capsys.readouterr().out
    few = {"a": KILLED, "b": SURVIVED}
    assert verdict(few, {"b": "why"}, 1.0) == 1  # less than 90%
    assert verdict(few, {"b": "why"}, 1.0, 0.0) == 0  # a sample
