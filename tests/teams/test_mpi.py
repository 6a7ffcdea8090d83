"""Teams of processes: pip's MPICH, with one to four ranks, which may be more than there are cores."""

import importlib.util
import os
import shutil
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

import gpunet as gn
from markdown_blocks import blocks
from mpi_job import JOBS
from mpi_job import plans as plans_of

ROOT = Path(gn.__file__).parents[1]
JOB = ROOT / "tests" / "support" / "mpi_job.py"
# Beside the interpreter, as pip installs it, or of the cluster's own MPI
LAUNCHER = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
MISSING = "mpi4py and an MPI library are not installed"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LAUNCHER is None or importlib.util.find_spec("mpi4py") is None, reason=MISSING),
]


def launch(ranks, *command, seconds=60):
    """Run Python with arguments on so many ranks."""
    paths = [ROOT, ROOT / "backends", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [LAUNCHER, "-n", str(ranks), sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def run_job(job, folder, ranks, *options):
    return launch(ranks, *options, str(JOB), job, str(folder))


def results(job, folder, ranks):
    return [literal_eval((folder / f"{job} {rank} of {ranks}").read_text()) for rank in range(ranks)]


def test_the_same_bits_on_one_to_four_ranks(tmp_path):
    alone = plans_of(gn.Team("alone"), tmp_path)
    assert len(set(alone.values())) == len(alone) == 13
    for ranks in (1, 2, 3, 4):
        run_job("plans", tmp_path, ranks).check_returncode()
        assert results("plans", tmp_path, ranks) == [alone] * ranks


@pytest.mark.parametrize(
    ("job", "before", "after"),
    [("killed", 3, 2), ("killed", 2, 3), ("terminated", 2, 4), ("ctrl-c", 3, 1), ("error", 4, 2)],
)
def test_after_a_failure_the_same_command_goes_on(tmp_path, job, before, after):
    """On another number of ranks, to the bit; no rank waits for ever for one that is gone."""
    failed = run_job(job, tmp_path, before)
    assert failed.returncode != 0
    assert not list(tmp_path.glob(f"{job} *"))
    if job == "error":
        assert "OSError: the disk is gone" in failed.stderr
    assert list((tmp_path / "run").glob("checkpoint-*"))
    run_job("train", tmp_path, after).check_returncode()
    alone = tmp_path / "alone"
    alone.mkdir()
    assert results("train", tmp_path, after) == [JOBS["train"](gn.Team("alone"), alone)] * after


def test_the_same_bits_on_one_to_four_gpus(tmp_path):
    """CuPy and NCCL are stand-ins: what it shows is who sends what to whom."""
    weights, reason = JOBS["gpus"](gn.Team("alone"), tmp_path / "alone")
    assert reason == "a team adds up the gradients of lanes"
    for ranks in (3, 4):
        folder = tmp_path / f"{ranks}"
        folder.mkdir()
        run_job("gpus", folder, ranks).check_returncode()
        by_nccl = f"{reason}; arrays go from GPU to GPU by NCCL 2.27.3"
        assert results("gpus", folder, ranks) == [(weights, by_nccl)] * ranks
    folder = tmp_path / "shared"
    folder.mkdir()
    run_job("shared gpu", folder, 2).check_returncode()
    through_host = f"{reason}; arrays go through the host: one GPU is shared by ranks 0 and 1"
    assert results("shared gpu", folder, 2) == [(weights, through_host)] * 2


@pytest.mark.parametrize(
    ("job", "message"), [("gpu killed", ""), ("gpu unreachable", "TeamError: NCCL failed")]
)
def test_a_failure_between_gpus_ends_the_job(tmp_path, job, message):
    """Within an exchange; the same command goes on from the last checkpoint, on another number of GPUs."""
    weights, _ = JOBS["gpus"](gn.Team("alone"), tmp_path / "alone")
    failed = run_job(job, tmp_path, 3)
    assert failed.returncode != 0
    assert message in failed.stderr
    assert not list(tmp_path.glob(f"{job} *"))
    assert list((tmp_path / "run").glob("checkpoint-*"))
    run_job("gpus", tmp_path, 2).check_returncode()
    assert [one for one, _ in results("gpus", tmp_path, 2)] == [weights] * 2


@pytest.mark.parametrize("options", [(), ("-m", "mpi4py")])
def test_an_error_before_training_ends_the_job(tmp_path, options):
    failed = run_job("before", tmp_path, 3, *options)
    assert failed.returncode != 0
    assert "LookupError: no data here" in failed.stderr


# Before a script: its data can't be read on one rank, which the launcher has told its number.
NO_DATA = """
import os
import gpunet as gn
def digits():
    if "1" in (os.environ.get("PMI_RANK"), os.environ.get("OMPI_COMM_WORLD_RANK")):
        raise LookupError("no data here")
    return read()
read, gn.datasets.digits = gn.datasets.digits, digits
"""


def test_a_rank_of_the_documented_script_that_can_not_read_its_data_ends_the_job(tmp_path):
    page = (ROOT / "docs" / "how-to" / "many-processes.md").read_text(encoding="utf-8")
    script = tmp_path / "train.py"
    script.write_text(NO_DATA + blocks(page)[0].body)
    failed = launch(2, "-m", "mpi4py", str(script), seconds=30)
    assert failed.returncode != 0
    assert "LookupError: no data here" in failed.stderr


def test_ranks_with_other_data_are_told_so(tmp_path):
    failed = run_job("other data", tmp_path, 2)
    assert failed.returncode != 0
    assert "RanksDiffer: the ranks of a team must train the same: X is 'float32 (203, 7)" in failed.stderr


def test_a_rank_that_never_trains_is_not_waited_for(tmp_path):
    failed = run_job("on one rank", tmp_path, 2)
    assert failed.returncode != 0
    assert "RankFailed: rank 1 has ended without this call of fit: make it on every rank" in failed.stderr


@pytest.fixture
def table(tmp_path):
    rows = "\n".join(f"{i % 7},{i % 5},{'yes' if i % 7 > i % 5 else 'no'}" for i in range(200))
    path = tmp_path / "table.csv"
    path.write_text(f"a,b,kind\n{rows}\n")
    return path


def test_the_command_line(table):
    nets = []
    for ranks in (1, 3):
        net = table.with_name(f"{ranks}.safetensors")
        ended = launch(ranks, *("-m", "gpunet", "train", str(table), "--epochs", "3", "--save", str(net)))
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("test accuracy") == 1
        assert ended.stderr.count("epoch 3/3") == 1
        assert f"{ranks} rank{'s' if ranks > 1 else ''}, 8 lanes" in ended.stdout
        nets.append(gn.load(net))
    for pair, other in zip(nets[0].parameters, nets[1].parameters, strict=True):
        for a, b in zip(pair, other, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nofile.csv",), "gpunet: error: nofile.csv is not a file"),
        (("TABLE", "--batch-size", "4"), "gpunet: error: a batch of 4 can't be cut into 8 lanes"),
        (("-",), "gpunet: error: standard input goes to one of the ranks only"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(table, arguments, message):
    ended = launch(2, "-m", "gpunet", "train", *(str(table) if one == "TABLE" else one for one in arguments))
    assert ended.returncode == 2
    assert ended.stderr.count("gpunet: error") == 1
    assert message in ended.stderr
