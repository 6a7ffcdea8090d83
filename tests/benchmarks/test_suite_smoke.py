"""The benchmark suite runs: two contenders, few examples, no figures asserted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import data, peers, report
from benchmarks.cases import NETS, Case, throughput_cases
from benchmarks.chart import apart
from benchmarks.contest import Contest, per_second
from benchmarks.once import REFERENCES
from benchmarks.settings import Settings
from benchmarks.team import Failed, Team, once

ROOT = Path(__file__).parents[2]
CASE = Case("shallow", 32, examples=200)
WHO = ("gpunet", "textbook")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data.save(folder, "mnist", data.made_up(200, 50))
    return Settings("numpy", str(folder), threads=1, seconds=0.01, rounds=2)


@pytest.fixture(scope="module")
def team(settings):
    team = Team(settings)
    yield team
    team.close()


@pytest.fixture(scope="module")
def throughput(team):
    contest = Contest(
        [*WHO, "thinc_train"],
        lambda name: team.ask(name, "turn"),
        lambda name: {"program": team.ask(name, "train", CASE)} if name in WHO else fail(),
    )
    for _ in range(2):
        contest.others()
        contest.ours()
    return contest.result(per_second, flops=CASE.network.flops, peak=100.0)


def fail():
    raise Failed("it is broken")


def test_a_contest_has_figures_ratios_and_failures(throughput):
    assert set(throughput["contenders"]) == set(WHO)
    assert throughput["best_peer"] == "textbook"
    ratio = throughput["ratios"]["textbook"]
    assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    assert throughput["contenders"]["gpunet"]["program"]
    assert throughput["errors"] == {"thinc_train": "it is broken"}


@pytest.mark.parametrize("case", [CASE, Case("deep", None, "momentum", examples=200)], ids=lambda c: c.name)
def test_contenders_compute_the_same(team, case):
    found = [team.ask(name, "learn", case, 2)[0] for name in WHO]
    for ours, theirs in zip(*found, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_inference_and_time_to_an_accuracy(team):
    outputs = [team.ask(name, "infer", CASE) for name in WHO]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    assert team.ask("gpunet", "call")["examples"] >= 32
    assert team.ask("gpunet", "until", CASE, 2.0, 1)["epochs"] == 1


def test_a_process_of_its_own(settings):
    assert once("first_epoch", "textbook", settings, CASE)["seconds"] > 0
    with pytest.raises(Failed, match="no_such_peer"):
        once("first_epoch", "no_such_peer", settings, CASE)


@pytest.mark.skipif(not REFERENCES.exists(), reason="only Linux says what the peak was")
def test_memory(settings):
    case = Case("shallow", None, examples=200)
    assert once("memory", "textbook", settings, case)["with_libraries"] > 0


def test_who_takes_part():
    assert peers.selected(["textbook"], quick=False)[0] == list(WHO)
    with pytest.raises(ValueError, match="no such peer: nobody"):
        peers.selected(["nobody"], quick=False)


def test_flops_of_one_example():
    assert NETS["shallow"].flops == 2 * (2 * (784 * 256 + 2560) + 2560)
    assert len({case.name for case in throughput_cases(quick=False)}) == 37


def test_labels_are_moved_apart():
    placed = apart([0.5, 0.51, 0.1], 0.06)
    assert placed[1] - placed[0] == pytest.approx(0.06, abs=1e-6)
    assert placed[2] == pytest.approx(0.1)


def test_report(tmp_path, throughput):
    stored = Path(__file__).parent / "results.json"
    results = json.loads(stored.read_text())
    live = {"kind": "throughput", "net": NETS["deep"].title, "batch": 32, "optimizer": "plain"}
    results["benchmarks"].append({"name": "live", "extra_info": {**live, **throughput}})
    path = tmp_path / "some.json"
    path.write_text(json.dumps(results))
    written = report.write(path)
    assert [one.name for one in written] == ["some.md", "throughput.png", "throughput.svg"]
    page = written[0].read_text()
    for said in (
        "made-up figures", "784-256-10, sigmoid", "784-512-256-10, ReLU", "First epoch", "Memory", "Inference",
        "98%", "same computation", "**5.00** (4.00–6.00)", "scikit-learn failed: it is broken",
    ):  # fmt: skip
        assert said in page


def test_the_suite_is_collected():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks",
        "--backend",
        "numpy",
        "--quick",
        "--collect-only",
        "-q",
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for table in ("throughput", "inference", "first_epoch", "memory", "time_to_98", "equal"):
        assert f"test_{table}.py" in ran.stdout
