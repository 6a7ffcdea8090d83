"""``python -m benchmarks.on_gpu``: which commands it runs, in which time, and what it stores."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import on_gpu


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Commands in the place of which their benchmarks are written, each taking a minute of a clock of its own."""
    ran, clock = [], SimpleNamespace(now=0.0)

    def run(command, timeout, **_):
        ran.append(command[2:])
        clock.now += min(60, timeout)
        if timeout < 60:
            raise on_gpu.subprocess.TimeoutExpired(command, timeout)
        for word in command:
            if word.startswith("--benchmark-json="):
                stored = {"suite": len(ran), "benchmarks": [{"name": command[4]}]}
                Path(word.partition("=")[2]).write_text(json.dumps(stored))
        return SimpleNamespace(returncode=3 if "benchmarks/test_inference.py" in command else 0)

    monkeypatch.setattr(on_gpu.subprocess, "run", run)
    monkeypatch.setattr(on_gpu.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(on_gpu, "results_path", lambda *_, **__: tmp_path / "results.json")
    monkeypatch.setattr(on_gpu.machine, "slug", lambda _: "gpu")
    return SimpleNamespace(ran=ran, results=tmp_path / "results.json")


def test_all_parts(commands):
    with pytest.raises(SystemExit) as ended:
        on_gpu.main(["--minutes", "20", "--benchmark-disable-gc"])
    tests, *parts, report = commands.ran
    assert ended.value.code == 3
    assert tests[0] == "pytest" and tests[-1] == "tests/backends/cupy/test_on_gpu.py"
    assert [Path(part[2]).stem for part in parts] == [name for name, _ in on_gpu.PARTS]
    assert all("cupy:0" in part and part[-1] == "--benchmark-disable-gc" for part in parts)
    assert report[0] == "benchmarks.report"
    stored = json.loads(commands.results.read_text())
    assert [one["name"] for one in stored["benchmarks"]] == [part[2] for part in parts]


def test_what_was_measured_in_time_is_stored(commands, capsys):
    with pytest.raises(SystemExit) as ended:
        on_gpu.main(["--minutes", "2.5", "--no-tests"])
    assert ended.value.code == 124
    assert len(commands.ran) == 4  # two whole parts, one that was ended, and the page
    assert len(json.loads(commands.results.read_text())["benchmarks"]) == 2
    assert capsys.readouterr().out.count("no time left for") == len(on_gpu.PARTS) - 3


def test_parts_have_each_case_of_a_gpu_once():
    """As pytest's -k chooses them."""
    from _pytest.mark.expression import Expression

    from benchmarks.tables import TABLES, cases_of

    for table in {name for name, _ in on_gpu.PARTS}:
        expressions = [Expression.compile(cases or "True") for name, cases in on_gpu.PARTS if name == table]
        for case in cases_of(table, False, "cupy:0"):
            words = case.name + "True"
            assert sum(one.evaluate(lambda word, **_: word in words) for one in expressions) == 1  # noqa: B023
    measured = {table for table in TABLES if cases_of(table, False, "cupy:0")}
    assert measured == {name for name, _ in on_gpu.PARTS}
