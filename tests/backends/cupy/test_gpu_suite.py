"""The benchmark suite on a GPU: who plays, what is played, and the page that comes of it; needs no GPU."""

import json
from pathlib import Path

import pytest

from benchmarks import cases, peers, report
from benchmarks.settings import Settings, chosen

RESULTS = sorted(Path(report.RESULTS).glob("*-cupy-*.json"))


def test_who_plays_where():
    on_gpu, on_cpu = (peers.selected([], False, device)[0] for device in ("cuda", "cpu"))
    assert on_gpu[0] == on_cpu[0] == "gpunet"
    assert "textbook" not in on_gpu and "torch_graph" not in on_cpu


def test_what_is_played():
    every = cases.throughput_cases(quick=False)
    assert chosen("test_throughput", every, "numpy") == every
    names = [case.name for case in chosen("test_throughput", every, "cupy:0")]
    assert len(names) == 11 and "deep-full-plain" in names
    assert chosen("test_memory", cases.memory_cases(quick=False), "cupy") == []


def test_float32_means_float32():
    settings = Settings("cupy", "", 1)
    assert settings.device == "cuda" and settings.variables("jax_scan")["NVIDIA_TF32_OVERRIDE"] == "0"


@pytest.mark.parametrize("stored", RESULTS, ids=lambda path: path.stem)
def test_report(stored, tmp_path):
    path = tmp_path / stored.name
    path.write_text(stored.read_text())
    written = report.write(path)
    assert [one.name for one in written[1:]] == ["throughput-gpu.png", "throughput-gpu.svg"]
    assert json.loads(stored.read_text())["suite"]["machine"]["gpu"]["name"] in written[0].read_text()
