"""The model of a team's step, and strong scaling."""

import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from benchmarks import machine, team, team_scaling, team_worker
from markdown_blocks import blocks

# Beside the interpreter, as pip installs it, or of the machine's own MPI
LAUNCHER = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


def test_the_step_of_one_rank_has_no_exchange():
    assert team.step_seconds(1, 8, 0.5, 0.25, 1000, 1.0, 1.0) == 8 * 0.5 + 0.25


def test_the_parts_of_a_step():
    """Four ranks, ten lanes: three lanes for some of them; six messages; three quarters of the weights, twice."""
    found = team.step_seconds(4, 10, 0.5, 0.2, 1000, 1e-3, 1e6)
    assert found == pytest.approx(3 * 0.5 + 0.05 + 6e-3 + 1.5 * 4000 / 1e6)


PAGE = Path(team.__file__).parents[1] / "docs" / "how-to" / "many-processes.md"


def test_the_page_prints_what_its_inputs_give(capsys):
    """The table in the page is what its code prints, and that is the model of this benchmark."""
    python, output = (
        next(block.body for block in blocks(PAGE.read_text(encoding="utf-8")) if start in block.body)
        for start in ("latency = 2e-6", "speed-up\n    1 ")
    )
    names = {}
    exec(python, names)
    assert capsys.readouterr().out.strip() == output
    length, flops = names["weights"], 6 * names["weights"]
    for R in (1, 8, 64, 1024):
        lanes = max(8, R)
        lane, update = flops * 8192 / lanes / 1e11, 7 * 4 * length / 1e10
        expected = team.step_seconds(R, lanes, lane, update, length, 2e-6, 12.5e9)
        assert sum(names["parts"](R, lanes)) == pytest.approx(expected)
    layers = team.plan_of([784, 1024, 1024, 10], 8192).layers
    assert length == sum((layer.inputs + 1) * layer.units for layer in layers)


def test_a_table_is_printed(monkeypatch, capsys):
    arguments = "--layers 5,4,3 --batch 64 --ranks 1,2,64 --latency 1e-6 --bandwidth 1e9"
    monkeypatch.setattr(sys, "argv", ["team", *arguments.split()])
    team.main()
    out = capsys.readouterr().out
    assert out.startswith("39 weights, batches of 64, alone with 1 ranks")
    rows = [line.split() for line in out.splitlines()[4:]]
    assert [row[:2] for row in rows] == [["1", "8"], ["2", "8"], ["64", "64"]]
    for ranks, lanes, lane, step, *_ in rows:  # a step has as many lanes in turn as a rank has
        assert float(step) >= -(-int(lanes) // int(ranks)) * float(lane) - 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [("--batch 8 --ranks 16", "fewer examples than 16 lanes"), ("", "one rank has no network")],
)
def test_what_cannot_be_worked_out(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["team", "--layers", "5,4,3", *arguments.split()])
    with pytest.raises(SystemExit):
        team.main()
    assert message in capsys.readouterr().err


CELLS = [
    {"batch": 64, "ranks": 1, "examples": 4096, "gpunet": [90.0, 100.0, 130.0], "ddp": [50.0, 40.0, 60.0]},
    {"batch": 64, "ranks": 4, "examples": 8192, "gpunet": [320.0, 300.0], "ddp": [1100.0, 1000.0, 900.0]},
    {"batch": 8192, "ranks": 4, "examples": 16384, "gpunet": [7.0], "ddp": [2.0]},
    {"batch": 8192, "ranks": 16, "examples": 16384, "gpunet": [14.0], "ddp": [2.0]},
]


def test_the_table_of_strong_scaling():
    """Medians, the ratio to DDP, and the efficiency against the fewest ranks with that batch."""
    assert team_scaling.rows_of(CELLS) == [
        (64, 1, 100.0, 50.0, 2.0, 1.0, 1.0),
        (64, 4, 310.0, 1000.0, 0.31, 0.775, 5.0),
        (8192, 4, 7.0, 2.0, 3.5, 1.0, 1.0),
        (8192, 16, 14.0, 2.0, 7.0, 0.5, 0.25),
    ]
    about = {
        "date": "2026-12-01",
        "processor": "P",
        "system": "S",
        "threads": 4,
        "versions": {"numpy": "2.0"},
    }
    result = {"machine": about, "layers": [5, 4], "mpi": "MPI", "cells": CELLS, "not_measured": []}
    lines = team_scaling.page(result).splitlines()
    assert lines[-6] == "| " + " | ".join(team_scaling.COLUMNS) + " |"
    assert lines[-4:] == [
        "| 64 | 1 | 100 (90–130) | 50 (40–60) | 2.00 | 1.00 | 1.00 |",
        "| 64 | 4 | 310 (300–320) | 1,000 (900–1,100) | 0.31 | 0.78 | 5.00 |",
        "| 8,192 | 4 | 7 (7–7) | 2 (2–2) | 3.50 | 1.00 | 1.00 |",
        "| 8,192 | 16 | 14 (14–14) | 2 (2–2) | 7.00 | 0.50 | 0.25 |",
    ]
    text = team_scaling.page(result | {"not_measured": [32, 64]})
    assert text.endswith("Not measured, the time was up: 32, 64 ranks.\n")


def test_how_many_samples_will_do():
    long_ago = time.perf_counter() - 60
    assert [team_worker.enough(count, long_ago, 5.0) for count in (-1, 2, 3, 8)] == [False, False, True, True]
    assert [team_worker.enough(count, long_ago, 1e9) for count in (3, 8, 9)] == [False, False, True]


def test_a_sample_is_whole_batches_and_two_at_least():
    assert [len(team_worker.data([2, 3], *one)[0]) for one in ((1024, 1), (1024, 16), (8192, 1))] == [
        *(2048, 32768, 16384),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ranks", "1,100000"], "100000 ranks need as many cores"),
        (["--ranks", "1", "--launcher", "no-such-mpiexec -v"], "no-such-mpiexec is not on the PATH"),
    ],
)
def test_strong_scaling_that_cannot_be_measured(capsys, arguments, message):
    with pytest.raises(SystemExit):
        team_scaling.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", team_scaling.NEEDED)
def test_what_strong_scaling_needs(monkeypatch, capsys, name):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None if package == name else package)
    with pytest.raises(SystemExit):
        team_scaling.main(["--ranks", "1", "--launcher", sys.executable])
    assert f"{name} is not installed: pip install {team_scaling.NEEDED[name]}" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    LAUNCHER is None or importlib.util.find_spec("mpi4py") is None, reason="MPI is not installed"
)
def test_strong_scaling(tmp_path, capfd):
    """Of small batches, on one rank and on two; of four no more, when the time is up."""
    pytest.importorskip("torch")
    ranks = "1,2" if machine.available_cores() > 1 else "1"
    small = [
        "--layers",
        "5,4,3",
        "--batches",
        "32,16",
        "--ranks",
        ranks,
        "--seconds",
        "0.1",
        "--launcher",
        LAUNCHER,
    ]
    team_scaling.main([*small, "--out", str(tmp_path)])
    (stored,) = tmp_path.glob("*.json")
    found = json.loads(stored.read_text())
    assert [(cell["batch"], cell["ranks"]) for cell in found["cells"]] == [
        (batch, int(count)) for batch in (16, 32) for count in ranks.split(",")
    ]
    for cell in found["cells"]:
        for who in ("gpunet", "ddp"):
            assert 3 <= len(cell[who]) <= 9
            assert min(cell[who]) > 0
    assert stored.with_suffix(".md").read_text() in capfd.readouterr().out
    team_scaling.main([*small, "--out", str(tmp_path), "--limit", "-1"])
    captured = capfd.readouterr()
    assert "1 ranks: not measured, the time is up" in captured.err
    assert f"Not measured, the time was up: {ranks.replace(',', ', ')} ranks." in captured.out
