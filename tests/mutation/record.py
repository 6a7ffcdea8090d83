"""A plugin that records, in any run of pytest, which tests reach the mutants of a sample.

``python -m pytest -p tests.mutation.record`` with GPUNET_SAMPLE, the size of the sample, and GPUNET_REACHED, the folder
to write to, a file for each process. ``python -m tests.mutation --sample SIZE --recorded FOLDER`` reads it.
"""

import os
import pickle
from pathlib import Path

import pytest

from tests.mutation.__main__ import all_mutants, chosen
from tests.mutation.mutants import ROOT
from tests.mutation.reach import Reach


def pytest_collection_finish(session):
    """Put the marks in: tests have been imported. The process above the workers of pytest-xdist never comes here."""
    reach = Reach(chosen(all_mutants(), "", int(os.environ["GPUNET_SAMPLE"])))
    reach.put_marks(ROOT)
    session.config.pluginmanager.register(Recorder(reach))


class Recorder:
    """Of one process."""

    def __init__(self, reach):
        self.reach = reach

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.reach.begin()
        try:
            return (yield)
        finally:
            self.reach.end(item.nodeid)

    def pytest_sessionfinish(self):
        folder = Path(os.environ["GPUNET_REACHED"])
        folder.mkdir(parents=True, exist_ok=True)
        found = pickle.dumps((self.reach.tests, self.reach.seconds))
        (folder / f"{os.getpid()}.pickle").write_bytes(found)
