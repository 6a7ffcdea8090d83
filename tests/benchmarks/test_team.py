"""The model of a team's step."""

import sys

import pytest

from benchmarks import team


def test_the_step_of_one_rank_has_no_exchange():
    assert team.step_seconds(1, 8, 0.5, 0.25, 1000, 1.0, 1.0) == 8 * 0.5 + 0.25


def test_the_parts_of_a_step():
    """Four ranks, ten lanes: three lanes for some of them; six messages; three quarters of the weights, twice."""
    found = team.step_seconds(4, 10, 0.5, 0.2, 1000, 1e-3, 1e6)
    assert found == pytest.approx(3 * 0.5 + 0.05 + 6e-3 + 1.5 * 4000 / 1e6)


def test_a_table_is_printed(monkeypatch, capsys):
    arguments = "--layers 5,4,3 --batch 64 --ranks 1,2,64 --latency 1e-6 --bandwidth 1e9"
    monkeypatch.setattr(sys, "argv", ["team", *arguments.split()])
    team.main()
    out = capsys.readouterr().out
    assert out.startswith("39 weights, batches of 64, alone with 1 ranks")
    assert [line.split()[:2] for line in out.splitlines()[4:]] == [["1", "8"], ["2", "8"], ["64", "64"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [("--batch 8 --ranks 16", "fewer examples than 16 lanes"), ("", "one rank has no network")],
)
def test_what_cannot_be_worked_out(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["team", "--layers", "5,4,3", *arguments.split()])
    with pytest.raises(SystemExit):
        team.main()
    assert message in capsys.readouterr().err
