"""``python -m benchmarks.on_gpu``: which commands it runs, in which time, and what it stores."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import on_gpu, result_file

DIES = "benchmarks/test_inference.py"  # in these tests


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Processes in the place of which their results are written, each taking a minute of a clock of its own."""
    ran, ended, clock = [], [], SimpleNamespace(now=0.0)

    class Popen:
        """A process that stores what it has when it is interrupted."""

        pid = 12345

        def __init__(self, command, cwd, start_new_session):
            assert start_new_session
            self.command, self.left, self.status = command[2:], 60.0, None
            ran.append(self.command)

        def wait(self, timeout=None):
            clock.now += min(self.left, timeout)
            self.left -= min(self.left, timeout)
            if self.left > 0:
                raise subprocess.TimeoutExpired(self.command, timeout)
            for word in self.command:
                if word.startswith("--benchmark-json=") and DIES not in self.command:
                    stored = {"suite": len(ran), "benchmarks": [{"name": self.command[2]}]}
                    Path(word.partition("=")[2]).write_text(json.dumps(stored))
                elif word.startswith("--benchmark-json="):
                    Path(word.partition("=")[2]).write_text('{"benchmarks": [{"na')  # killed while it wrote
            self.status = -9 if DIES in self.command else 0
            return self.status

        def send_signal(self, number):
            assert number == on_gpu.signal.SIGINT
            ended.append(self.command)
            self.left = 5.0

        def poll(self):
            return self.status

    monkeypatch.setattr(on_gpu.subprocess, "Popen", Popen)
    monkeypatch.setattr(on_gpu.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(on_gpu, "results_path", lambda backend, quick: tmp_path / f"{backend}-{quick}.json")
    monkeypatch.setattr(on_gpu.machine, "slug", lambda _: "gpu")
    return SimpleNamespace(ran=ran, ended=ended, clock=clock, results=tmp_path / "cupy:0-False.json")


def test_all_parts_though_one_dies(commands):
    with pytest.raises(SystemExit) as exited:
        on_gpu.main(["--minutes", "60", "--benchmark-disable-gc"])
    tests, *parts, report = commands.ran
    assert exited.value.code == 9 and commands.ended == []
    assert tests[0] == "pytest" and tests[-1] == "tests/backends/cupy/test_on_gpu.py"
    names = [name for name, _ in on_gpu.PARTS]
    assert [
        part[0].rpartition(".")[2] if part[0] != "pytest" else Path(part[2]).stem for part in parts
    ] == names
    suite = [part for part in parts if part[0] == "pytest"]
    assert all("cupy:0" in part for part in parts)
    assert all(part[-1] == "--benchmark-disable-gc" for part in suite)
    [kept] = {word for part in suite for word in part if word.startswith("--keep=")}
    assert not Path(kept.partition("=")[2]).exists()
    assert report == ["benchmarks.report", str(commands.results)]
    stored = json.loads(commands.results.read_text())
    assert [one["name"] for one in stored["benchmarks"]] == [part[2] for part in suite if part[2] != DIES]
    pages = {part[-1] for part in parts if part[0] == "benchmarks.fit_calls"}
    assert pages == {str(commands.results.with_name("cupy:0-False-fit.md"))}


@pytest.mark.parametrize(("limit", "ended"), [(150, False), (30, True)])
def test_tests_that_hang_leave_time_for_the_rest(limit, ended, commands, monkeypatch):
    monkeypatch.setattr(on_gpu, "TEST_SECONDS", limit)
    with pytest.raises(SystemExit):
        on_gpu.main(["--minutes", "60"])
    assert (commands.ran[0] in commands.ended) == ended and len(commands.ran) == 2 + len(on_gpu.PARTS)


def test_results_are_never_half_written(tmp_path, monkeypatch):
    target = tmp_path / "results.json"
    result_file.write(target, {"benchmarks": [1]})
    assert [*tmp_path.iterdir()] == [target]

    def half(path, text):
        path.write_bytes(text[:5].encode())
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        result_file.write(target, {"benchmarks": [2]})
    assert json.loads(target.read_text()) == {"benchmarks": [1]}


@pytest.mark.parametrize("minutes", [2.5, 8])
def test_what_was_measured_in_time_is_stored(minutes, commands, capsys):
    with pytest.raises(SystemExit) as exited:
        on_gpu.main(["--minutes", str(minutes), "--no-tests"])
    *parts, report = commands.ran
    assert exited.value.code == 124 and commands.ended
    assert report[0] == "benchmarks.report"
    suite = [part for part in parts if part[0] == "pytest" and part[2] != DIES]
    assert len(json.loads(commands.results.read_text())["benchmarks"]) == len(suite)
    assert capsys.readouterr().out.count("no time left for") == len(on_gpu.PARTS) - len(parts)
    assert commands.clock.now <= 60 * minutes + 60  # the page


def test_a_rehearsal(commands):
    with pytest.raises(SystemExit) as exited:
        on_gpu.main(["--minutes", "1", "--no-tests", "--backend", "numpy", "--quick"])
    assert exited.value.code == 124
    assert commands.ran[0][:4] == ["benchmarks.fit_calls", "cells", "--backend", "numpy"]
    assert commands.ran[1][-1] == "--quick"
    assert commands.results.with_name("numpy-True.json").exists()


SLEEPER = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, file=open({file!r}, "w"), flush=True)
if {ignores}: signal.signal(signal.SIGINT, signal.SIG_IGN)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ignores", [False, True])
def test_a_process_that_takes_too_long(ignores, tmp_path, monkeypatch):
    """It is interrupted, and killed where it goes on; then those that it has started, too."""
    monkeypatch.setattr(on_gpu, "GRACE", 1 if ignores else 20)
    file = tmp_path / "pid"
    (tmp_path / "sleeper.py").write_text(SLEEPER.format(file=str(file), ignores=ignores))
    monkeypatch.setattr(on_gpu, "ROOT", tmp_path)
    begun = time.monotonic()
    assert on_gpu.run(["sleeper"], 3) == 124
    assert time.monotonic() - begun < 30
    pid = int(file.read_text())
    if ignores:
        while alive(pid) and time.monotonic() - begun < 30:  # a signal takes its time
            time.sleep(0.05)
        assert not alive(pid)
    else:
        os.kill(pid, on_gpu.signal.SIGKILL)


ENDED = """
import sys
from pathlib import Path
from benchmarks import on_gpu
on_gpu.ROOT = Path(sys.argv[1])
on_gpu.end_parts_with_this()
on_gpu.run(["sleeper"], 50)
"""


@pytest.mark.slow
def test_sigterm_ends_the_part_that_runs(tmp_path):
    file = tmp_path / "pid"
    (tmp_path / "sleeper.py").write_text(SLEEPER.format(file=str(file), ignores=True))
    command = subprocess.Popen([sys.executable, "-c", ENDED, str(tmp_path)], cwd=on_gpu.ROOT)
    begun = time.monotonic()
    while not (file.exists() and file.read_text().strip()) and time.monotonic() - begun < 30:
        time.sleep(0.05)
    command.terminate()
    assert command.wait(20) == 128 + signal.SIGTERM
    while alive(int(file.read_text())) and time.monotonic() - begun < 30:
        time.sleep(0.05)
    assert not alive(int(file.read_text()))


def alive(pid):
    """Whether a process is there that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_ends():
    assert on_gpu.run(["this"], 60) == 0
    assert on_gpu.run(["no_such_module"], 60) == 1


def test_parts_have_each_case_of_a_gpu_once():
    """As pytest's -k chooses them."""
    from _pytest.mark.expression import Expression

    from benchmarks.tables import TABLES, cases_of

    modules = {name for name, _ in on_gpu.PARTS if name != "fit_calls"}
    for table in modules:
        expressions = [Expression.compile(cases or "True") for name, cases in on_gpu.PARTS if name == table]
        for case in cases_of(table, False, "cupy:0"):
            words = case.name + "True"
            assert sum(one.evaluate(lambda word, **_: word in words) for one in expressions) == 1  # noqa: B023
    assert modules == {table for table in TABLES if cases_of(table, False, "cupy:0")}


def few_examples_and_calls(monkeypatch, fit_calls):
    few = fit_calls.datasets.synthetic(1200, 200)
    monkeypatch.setattr(fit_calls.datasets, "mnist_folder", lambda: None)
    monkeypatch.setattr(fit_calls.datasets, "synthetic", lambda: few)
    monkeypatch.setattr(fit_calls, "CALLS", 2)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["cells", "integers"])
def test_fit_calls(what, tmp_path, monkeypatch, capsys):
    """Every cell is measured, on few examples, and its line is on the page."""
    from benchmarks import fit_calls

    monkeypatch.setenv("GPUNET_DATA", str(tmp_path))
    monkeypatch.setattr(fit_calls, "SECONDS", 1e-3)
    few_examples_and_calls(monkeypatch, fit_calls)
    monkeypatch.setattr(fit_calls, "CELLS", fit_calls.CELLS[1:5] + fit_calls.CELLS[-1:])
    page = tmp_path / "new" / "page.md"
    for _ in range(2):
        fit_calls.main([what, "--backend", "numpy", "--examples", "1200", "--page", str(page)])
    lines = page.read_text().splitlines()
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    cells = 5
    assert lines[1] == fit_calls.HEADERS[what] and len(lines) == 2 * (cells + 3) and len(printed) == 2 * cells
    assert len({line.count("|") for line in lines if line}) == 1
    if what == "integers":
        assert all(line.split("|")[5].strip() == "yes" for line in lines[3 : 3 + cells])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["cells", "integers"])
def test_a_cell_that_fails(what, tmp_path, monkeypatch, capsys):
    """The others are measured."""
    from benchmarks import fit_calls

    monkeypatch.setenv("GPUNET_DATA", str(tmp_path))
    monkeypatch.setattr(fit_calls, "SECONDS", 1e-3)
    few_examples_and_calls(monkeypatch, fit_calls)
    monkeypatch.setattr(fit_calls, "CELLS", fit_calls.CELLS[1:3] + fit_calls.CELLS[-1:])
    fit = fit_calls.gn.Network.fit

    def fails(self, *given, batch_size, **more):
        if batch_size == 128:
            raise RuntimeError("a | b\nand more")
        return fit(self, *given, batch_size=batch_size, **more)

    monkeypatch.setattr(fit_calls.gn.Network, "fit", fails)
    page = tmp_path / "page.md"
    assert fit_calls.main([what, "--backend", "numpy", "--examples", "1200", "--page", str(page)]) == 1
    lines = page.read_text().splitlines()[1:]
    assert "| failed | – |" in lines[3] and lines[3].endswith("| RuntimeError: a / b and more |")
    assert [fit_calls.FAILED in line for line in lines[2:]] == [False, True, *[False] * (len(lines) - 4)]
    assert len({line.count("|") for line in lines}) == 1 and len(lines) > 4
