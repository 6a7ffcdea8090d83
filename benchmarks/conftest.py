"""Options of the suite, what its tests share, and where the results go.

``pytest benchmarks --backend numpy [--quick] [--peers jax_scan,torch_eager]``
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from benchmarks import data, machine, peers
from benchmarks.settings import Settings, chosen, device_of
from benchmarks.team import Team

RESULTS = Path(__file__).parent / "results"
SUITE = pytest.StashKey()


def pytest_addoption(parser):
    group = parser.getgroup("gpunet's benchmarks")
    group.addoption("--backend", default="numpy", help="gpunet's backend, for example numpy or cupy:0")
    group.addoption("--quick", action="store_true", help="a few cells, short turns: under two minutes")
    group.addoption(
        "--peers", default="", help="names separated by commas; all that are installed without it"
    )


class Suite:
    """One run: who takes part, their processes, and what the results say about the run itself."""

    def __init__(self, backend, quick, asked):
        self.quick = quick
        device = device_of(backend)
        self.names, absent = peers.selected(asked, quick, device)
        self.folder = tempfile.TemporaryDirectory(prefix="gpunet-benchmarks-")
        seconds, rounds = (0.1, 3) if quick or device == "cuda" else (0.25, 5)
        self.settings = Settings(backend, self.folder.name, machine.threads(), seconds, rounds)
        self.team = Team(self.settings)
        self.record = {
            "machine": machine.describe(backend, quick),
            "data": data.write(self.folder.name),
            "absent": {peers.CONTENDERS[name].label: why for name, why in absent.items()},
        }

    @property
    def peak(self):
        return self.record["machine"]["sgemm_gflops"]["best"]

    def those(self, condition=lambda about: True, *, among=None):
        """Names of the contenders of a table."""
        found = [name for name in self.names if condition(peers.CONTENDERS[name])]
        return found if among is None else [name for name in found if name in among]

    def close(self):
        self.team.close()
        self.folder.cleanup()


def pytest_configure(config):
    option = config.option
    if getattr(option, "benchmark_json", None) is None and not option.collectonly:
        kind = "-quick" if option.quick else ""
        where = f"{option.backend.replace(':', '')}-{machine.slug(option.backend)}"
        name = f"{time.strftime('%Y-%m-%d')}-{where}{kind}.json"
        option.benchmark_json = str(RESULTS / name)


@pytest.fixture(scope="session")
def suite(request):
    option = request.config.option
    asked = [name for name in option.peers.split(",") if name]
    running = Suite(option.backend, option.quick, asked)
    request.config.stash[SUITE] = running.record
    yield running
    running.close()


def pytest_generate_tests(metafunc):
    """A test module's `cases(quick)` become the values of its `case`."""
    if "case" in metafunc.fixturenames:
        option, table = metafunc.config.option, metafunc.module.__name__.rpartition(".")[2]
        found = chosen(table, metafunc.module.cases(option.quick), option.backend)
        metafunc.parametrize("case", found, ids=[case.name for case in found])


def pytest_benchmark_update_json(config, benchmarks, output_json):
    output_json["suite"] = config.stash.get(SUITE, {})


def pytest_benchmark_update_machine_info(config, machine_info):
    for name in ("node", "release"):  # what the machine is matters, not what it and its kernel are called
        machine_info.pop(name, None)
