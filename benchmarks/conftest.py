"""Options and fixtures of the suite, and where its results go.

``pytest benchmarks --backend numpy [--quick] [--peers jax_scan,torch_eager]``
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


def pytest_configure(config):
    option = config.option
    if getattr(option, "benchmark_json", None) is None and not option.collectonly:
        mode = "-quick" if option.quick else ""
        where = f"{option.backend.replace(':', '')}-{machine.slug(option.backend)}"
        option.benchmark_json = str(RESULTS / f"{time.strftime('%Y-%m-%d')}-{where}{mode}.json")


@pytest.fixture(scope="session")
def suite(request):
    option = request.config.option
    suite = Suite(option.backend, option.quick, [name for name in option.peers.split(",") if name])
    request.config.stash[RECORD] = suite.record
    yield suite
    suite.close()


def pytest_generate_tests(metafunc):
    """A test's `case` takes the cases of its table, see :mod:`benchmarks.tables`."""
    if "case" in metafunc.fixturenames:
        option, table = metafunc.config.option, metafunc.module.__name__.rpartition(".")[2]
        cases = cases_of(table, option.quick, option.backend)
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])


def pytest_benchmark_update_json(config, benchmarks, output_json):
    output_json["suite"] = config.stash.get(RECORD, {})


def pytest_benchmark_update_machine_info(config, machine_info):
    for name in ("node", "release"):  # the host's name and its kernel's do not belong in published results
        machine_info.pop(name, None)
