"""What is measured: cases, implementations, and what changes on a GPU; needs no GPU."""

import pytest

from benchmarks import peers, tables
from benchmarks.cases import ARCHITECTURES, Case
from benchmarks.environment import worker_environment
from benchmarks.settings import Settings


def test_flops_per_example():
    assert ARCHITECTURES["shallow"].flops_per_example == 2 * (2 * (784 * 256 + 2560) + 2560)


@pytest.mark.parametrize("table", tables.TABLES)
def test_names_of_cases_are_unique(table):
    for backend in ("numpy", "cupy"):
        names = [(case.name, case.examples) for case in tables.cases_of(table, False, backend)]
        assert len(set(names)) == len(names)


def test_cases_on_each_device():
    every = [case for case in tables.throughput_cases(quick=False) if case.precision == "float32"]
    assert tables.cases_of("test_throughput", False, "numpy") == every and len(every) == 41
    names = [case.name for case in tables.cases_of("test_throughput", False, "cupy:0")]
    assert len(names) == 17 and {"deep-full-plain", "shallow-full-plain-tf32"} <= set(names)
    assert tables.cases_of("test_memory", False, "cupy") == []


def test_batches_cover_an_epoch():
    case = Case("shallow", 32, examples=100)
    assert case.batch_bounds(100) == [(0, 32), (32, 64), (64, 96), (96, 100)]
    assert sorted(case.order(0)) == list(range(100)) and list(case.order(0)) != list(case.order(1))
    assert [Case("shallow", batch).method for batch in (1, 8, None)] == ["SGD", "mini-batch", "full batch"]


def test_implementations_on_each_device():
    on_gpu, on_cpu = (peers.selected([], False, device)[0] for device in ("cuda", "cpu"))
    assert on_gpu[0] == on_cpu[0] == "gpunet"
    assert "textbook" not in on_gpu and "torch_graph" not in on_cpu


def test_peers_by_name():
    assert peers.selected(["textbook"], quick=False)[0] == ["gpunet", "textbook"]
    with pytest.raises(ValueError, match="no such peer: nobody"):
        peers.selected(["nobody"], quick=False)


def test_excluded_peers_have_a_reason():
    _, excluded = peers.selected([], quick=True)
    assert excluded["gpunet_reference"] == "not in quick mode"


def test_environment_of_workers():
    on_gpu = worker_environment(Settings("cupy", "", 1), "jax_scan")
    assert on_gpu["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert "NVIDIA_TF32_OVERRIDE" not in on_gpu  # it would undo the cases at TF32
    assert worker_environment(Settings("numpy", "", 1), "jax_scan")["JAX_PLATFORMS"] == "cpu"


def test_a_folder_that_is_kept_for_the_next_run(tmp_path, monkeypatch):
    """What takes most of a short run's time is done once; and again, if it was not finished."""
    from benchmarks import suite

    made = []

    def describe(backend, quick):
        made.append("machine")
        return {"date": "today", "backend": backend}

    def write_all(folder):
        made.append("data")
        assert folder == tmp_path / "kept" and folder.is_dir()
        if made.count("data") == 1:
            raise KeyboardInterrupt
        return {"mnist": "images"}

    monkeypatch.setattr(suite.machine, "describe", describe)
    monkeypatch.setattr(suite.datasets, "write_all", write_all)

    def record():
        one = suite.Suite("cupy:0", False, ["torch_graph"], keep=str(tmp_path / "kept"))
        one.close()
        return one.record

    with pytest.raises(KeyboardInterrupt):
        record()
    first, second = record(), record()
    assert first == second and made == ["machine", "data"] * 2
    assert first["machine"]["backend"] == "cupy:0" and first["data"] == {"mnist": "images"}
