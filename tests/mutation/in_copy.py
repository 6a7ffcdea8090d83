"""Runs mutants in copies of the tree, each in a process of its own.

For faults that act on import, and for kernels: slower than in memory, and whatever the fault is in.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.in_memory import KILLED, SURVIVED, UNREACHED
from tests.mutation.mutants import ROOT

COPIED = ["gpunet", "backends", "benchmarks", "tests", "pyproject.toml", "README.md"]
# Compiled kernels are copied for faults of the rooms alone: their names hold a digest of all that they are compiled
# from. A fault of a backend may be in what is compiled, or in that digest.
COMPILED = ("*.code",)


def run(mutants, tests_of, options=(), jobs=2, timeout=900, report=print):
    """``{mutant name: outcome}``; `tests_of(mutant)` gives the tests, `options` are pytest's."""

    def one(mutant):
        outcome = run_one(mutant, tests_of(mutant), options, timeout)
        if outcome != KILLED:
            report(f"{outcome}: {mutant.name}")
        return mutant.name, outcome

    with ThreadPoolExecutor(jobs) as pool:
        return dict(pool.map(one, mutants))


def run_one(mutant, tests, options, timeout):
    """Copy the tree, put the fault in, run the tests: the first failure ends them.

    Raises
    ------
    RuntimeError
        If pytest could not run these tests, with what it said.
    """
    if not tests:
        return UNREACHED
    left_out = shutil.ignore_patterns("results", *(() if mutant.path.startswith("gpunet/") else COMPILED))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=left_out)
            elif (ROOT / name).exists():
                shutil.copy2(ROOT / name, copy / name)
        (copy / mutant.path).write_text(mutant.source, encoding="utf-8")
        (copy / "chosen").write_text("\n".join(tests), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "@chosen", *options]
        # Without the variables that would lead Python back to the tree itself
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GPUNET_NO_SKIPS")}
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return KILLED
    if done.returncode == 0:
        return SURVIVED
    # Below 0: the process crashed. 1: a test failed. 2 and 4: with the fault, a test module can't even be imported.
    if done.returncode < 0 or done.returncode == 1 or "Error" in done.stdout + done.stderr:
        return KILLED
    raise RuntimeError(f"{mutant.name}: pytest says {done.stdout[-2000:]}{done.stderr[-2000:]}")
