"""Options and fixtures of the suite, and where its results go.

``pytest benchmarks --backend numpy [--quick] [--peers jax_scan,torch_eager] [--cores 1,2,4]``
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.suite import Suite
from benchmarks.tables import cases_of

RESULTS = Path(__file__).parent / "results"
RECORD = pytest.StashKey()


def pytest_addoption(parser):
    group = parser.getgroup("gpunet's benchmarks")
    group.addoption("--backend", default="numpy", help="gpunet's backend, for example numpy or cupy:0")
    group.addoption("--quick", action="store_true", help="few cases, short samples: under two minutes")
    group.addoption("--peers", default="", help="names separated by commas; default: all that are installed")
    group.addoption(
        "--keep", help="a folder for data sets and what is known of the machine, for the next run too"
    )
    group.addoption("--cores", default=[], type=core_counts, help="numbers of cores, separated by commas")


def core_counts(text):
    """``"1,2,4"`` as numbers."""
    counts = [int(word) for word in text.split(",")]
    if min(counts) < 1:
        raise ValueError(f"--cores {text}: expected numbers from 1 on")
    return counts


def results_path(backend, quick):
    """Where the results of today go."""
    mode = "-quick" if quick else ""
    return (
        RESULTS / f"{time.strftime('%Y-%m-%d')}-{backend.replace(':', '')}-{machine.slug(backend)}{mode}.json"
    )


def pytest_configure(config):
    option = config.option
    if getattr(option, "benchmark_json", None) is None and not option.collectonly:
        option.benchmark_json = str(results_path(option.backend, option.quick))


@pytest.fixture(scope="session")
def suite(request):
    option = request.config.option
    peers = [name for name in option.peers.split(",") if name]
    suite = Suite(option.backend, option.quick, peers, option.cores, option.keep)
    request.config.stash[RECORD] = suite.record
    yield suite
    suite.close()


def pytest_generate_tests(metafunc):
    """A test's `case` takes the cases of its table, see :mod:`benchmarks.tables`; `cores` those of `--cores`.

    All cases on one number of cores come before those on the next: for each number there are other processes.
    """
    if "case" in metafunc.fixturenames:
        option, table = metafunc.config.option, metafunc.module.__name__.rpartition(".")[2]
        cases = cases_of(table, option.quick, option.backend)
        if "cores" not in metafunc.fixturenames:
            metafunc.parametrize("case", cases, ids=[case.name for case in cases])
            return
        counts = [count for count in option.cores if count <= machine.available_cores()]
        pairs = [(count, case) for count in counts for case in cases]
        metafunc.parametrize(("cores", "case"), pairs, ids=[f"{count}-{case.name}" for count, case in pairs])


def pytest_benchmark_update_json(config, benchmarks, output_json):
    output_json["suite"] = config.stash.get(RECORD, {})


def pytest_benchmark_update_machine_info(config, machine_info):
    for name in ("node", "release"):  # the host's name and its kernel's do not belong in published results
        machine_info.pop(name, None)
