"""What has started a process is told by its environment."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

import gpunet as gn
from gpunet.teams.alone import Alone
from gpunet.teams.launchers import RANKS, SIZES, by_mpi, in_ray_worker, ranks_started

LAUNCHERS = {
    "mpich": ({"PMI_RANK": "1", "PMI_SIZE": "4"}, 4),
    "open mpi": ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1"}, 2),
    "mvapich": ({"MV2_COMM_WORLD_SIZE": "3"}, 3),
    "pmix": ({"PMIX_RANK": "0"}, 1),
    "cray": ({"PALS_RANKID": "5"}, 1),
    "srun": ({"SLURM_STEP_NUM_TASKS": "16"}, 16),
    "mpich, one rank": ({"PMI_SIZE": "1"}, 1),
}


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    for name in (*SIZES, *RANKS):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launchers(monkeypatch, name):
    environment, size = LAUNCHERS[name]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert by_mpi()
    assert ranks_started() == size


@pytest.mark.parametrize("environment", [{}, {"SLURM_STEP_NUM_TASKS": "1"}, {"SLURM_STEP_NUM_TASKS": "odd"}])
def test_no_launcher(monkeypatch, environment):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert not by_mpi()
    assert isinstance(gn.Team("auto").engine, Alone)


def test_ray_is_not_imported_to_find_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "ray.train", raising=False)
    assert not in_ray_worker()
    assert "ray.train" not in sys.modules


def fake_mpi(monkeypatch, size=1):
    """mpi4py with a communicator of `size` ranks, of which this is the first."""
    communicator = SimpleNamespace(Get_rank=lambda: 0, Get_size=lambda: size, Abort=ended.append)
    library = SimpleNamespace(
        COMM_WORLD=SimpleNamespace(Dup=lambda: communicator),
        Get_library_version=lambda: "Some MPI 1.0\nbuilt yesterday",
    )
    package = ModuleType("mpi4py")
    package.MPI = library
    monkeypatch.setitem(sys.modules, "mpi4py", package)


ended = []


def test_a_launcher_of_another_mpi(monkeypatch):
    """Each process would train alone, and nobody would notice."""
    fake_mpi(monkeypatch)
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(RuntimeError, match=r"4 processes were started, .* mpi4py uses Some MPI 1.0: start"):
        gn.Team("auto")


def test_mpi_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"MPI is not here .*\[mpi\]"):
        gn.Team("mpi")


def test_ray_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"Ray is not installed: .*\[ray\]"):
        gn.Team("ray")


def test_an_uncaught_exception_ends_the_job(monkeypatch, capsys):
    fake_mpi(monkeypatch, size=2)
    shown = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: shown.append(error))
    team = gn.Team("mpi")
    error = ValueError("wrong")
    sys.excepthook(ValueError, error, None)
    assert shown == [(ValueError, error, None)]
    assert ended.pop() == 1
    team.engine.abort(error)
    assert ended.pop() == 1


def test_a_rank_alone_leaves_exceptions_as_they_are(monkeypatch):
    fake_mpi(monkeypatch)
    before = sys.excepthook
    gn.Team("mpi")
    assert sys.excepthook is before


@pytest.mark.parametrize("name", ["auto", "alone"])
def test_a_worker_of_ray_is_in_a_team(monkeypatch, name):
    from gpunet.teams import ray_train, team

    class Worker(Alone):
        name = "a worker"

    monkeypatch.setattr(ray_train, "RayTrain", Worker)
    monkeypatch.setattr(team, "in_ray_worker", lambda: True)
    assert gn.Team(name).engine.name == ("a worker" if name == "auto" else "alone")
