"""The page and the chart, from results of today and from all that are stored."""

import json
from pathlib import Path

import pytest

from benchmarks import report, result_file
from benchmarks.cases import ARCHITECTURES
from benchmarks.chart import spread_out

MADE_UP = Path(__file__).parent / "results.json"  # with the keys of the first results
TODAY = {
    "kind": "throughput",
    "net": ARCHITECTURES["deep"].title,
    "batch": 32,
    "optimizer": "plain",
    "implementations": {
        "gpunet": {"label": "gpunet", "median": 8.0, "min": 6.0, "max": 9.0, "fraction_of_peak": 0.25},
        "textbook": {"label": "textbook NumPy", "median": 2.0, "min": 2.0, "max": 2.0},
    },
    "ratios": {"textbook": {"median": 4.0, "min": 3.0, "max": 4.5}},
    "best_peer": "textbook",
    "errors": {},
    "unsupported": {"thinc_train": "it has no such thing"},
}
SAFEGUARDS = {
    "kind": "safeguards",
    "net": ARCHITECTURES["deep"].title,
    "batch": "full",
    "optimizer": "adam",
    "checkpoint": {"median": 0.012, "min": 0.01, "max": 0.03},
    "at_one_a_minute": {"median": 0.0002, "min": 0.0001, "max": 0.0005},
    "outside_updates": {"median": 0.015, "min": 0.01, "max": 0.02},
    "program": "compiled mini-batch",
}
STREAMS = {
    "kind": "streams",
    "net": ARCHITECTURES["shallow"].title,
    "batch": 1000,
    "optimizer": "plain",
    "examples": 240_000,
    "file": 188.16,
    "memory": {"median": 0.5, "min": 0.4, "max": 0.6},
    "stream": {"median": 0.6, "min": 0.55, "max": 0.65},
    "ratio": {"median": 1.2, "min": 1.1, "max": 1.3},
    "peak": 61.6,
    "program": "compiled mini-batch",
}


def test_report(tmp_path):
    results = json.loads(MADE_UP.read_text())
    results["benchmarks"].append({"name": "today", "extra_info": TODAY})
    results["benchmarks"].append({"name": "cost", "extra_info": SAFEGUARDS})
    results["benchmarks"].append({"name": "file", "extra_info": STREAMS})
    path = tmp_path / "some.json"
    path.write_text(json.dumps(results))
    written = report.write(path)
    assert [one.name for one in written] == ["some.md", "throughput.png", "throughput.svg"]
    page = written[0].read_text()
    for text in (
        "made-up figures", "784-256-10, sigmoid", "784-512-256-10, ReLU", "First epoch", "Memory", "Inference",
        "98%", "Equality of the trained weights", "**5.00** (4.00–6.00)", "scikit-learn failed: it is broken",
        "**4.00** (3.00–4.50)", "| 25% |", "today: without thinc: it has no such thing", "Keras is excluded",
        "| 12.0 (10.0 to 30.0) | 0.02% (0.01% to 0.05%) | 1.50% (1.00% to 2.00%) |",
        "| 240,000 | 188 | 0.5 (0.4–0.6) | 0.6 (0.55–0.65) | 1.2 (1.1–1.3) | 62 | compiled mini-batch |",
    ):  # fmt: skip
        assert text in page, text


@pytest.mark.parametrize("stored", sorted(report.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_stored_results_stay_readable(stored):
    """Whatever keys and names of programs they have, every number of the stored page is found again."""
    results = result_file.read(stored)
    page = report.page(results)
    for line in stored.with_suffix(".md").read_text().splitlines():
        for cell in line.split("|") if line.startswith("| ") else []:
            if any(character.isdigit() for character in cell):
                assert cell in page, cell
    for row in result_file.rows_of(results, "throughput"):
        assert row["implementations"]["gpunet"]["program"] in page


def test_the_page_of_a_gpu_names_it(tmp_path):
    stored = next(iter(report.RESULTS.glob("*-cupy-*.json")))
    path = tmp_path / stored.name
    path.write_text(stored.read_text())
    written = report.write(path)
    assert [one.name for one in written[1:]] == ["throughput-gpu.png", "throughput-gpu.svg"]
    assert json.loads(stored.read_text())["suite"]["machine"]["gpu"]["name"] in written[0].read_text()


def test_cores(tmp_path):
    """A table and a panel for each case, with the ratio to the smallest number of cores."""
    results = json.loads(MADE_UP.read_text())
    results["suite"]["notes"] = ["not measured on 8 cores: there are 4."]
    for count, speed in ((1, 10.0), (4, 35.0)):
        for size in (1000, "full"):
            ours = {"label": "gpunet", "median": speed, "min": speed, "max": speed}
            row = {**TODAY, "kind": "cores", "cores": count, "batch": size}
            row["implementations"] = {**TODAY["implementations"], "gpunet": ours}
            results["benchmarks"].append({"name": "cores", "extra_info": row})
    path = tmp_path / "some.json"
    path.write_text(json.dumps(results))
    written = report.write(path)
    assert [one.name for one in written[-2:]] == ["cores.png", "cores.svg"]
    page = written[0].read_text()
    for text in (
        "## Cores: 784-512-256-10, ReLU, batch 1,000", "batch full", "gpunet / 1 core", "| 4 | 35 | 2 |",
        "| 3.50 |", "not measured on 8 cores",
    ):  # fmt: skip
        assert text in page, text


def test_labels_are_moved_apart():
    moved = spread_out([0.5, 0.51, 0.1], 0.06)
    assert moved[1] - moved[0] == pytest.approx(0.06, abs=1e-6)
    assert moved[2] == pytest.approx(0.1)
