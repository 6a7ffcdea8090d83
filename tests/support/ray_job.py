"""The training function of test_ray.py, run by Ray Train's workers, and the trainer: ``python ray_job.py FOLDER``."""

import os
import signal
import sys
from pathlib import Path

import gpunet as gn
from mpi_job import JOBS

WORKERS = 2


def train(settings):
    """The run with checkpoints of the tests with MPI; once, the last worker is killed in it."""
    folder = Path(settings["folder"])
    team = gn.Team("auto")
    killed = folder / "killed"

    def fail(team):
        if team.rank == team.size - 1 and not killed.exists():
            killed.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)

    digest = JOBS["train"](team, folder, fail)
    (folder / f"{team.rank} of {team.size}").write_text(digest)


if __name__ == "__main__":
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    folder = sys.argv[1]
    ray.init(num_cpus=WORKERS, include_dashboard=False)
    DataParallelTrainer(
        train,
        train_loop_config={"folder": folder},
        scaling_config=ScalingConfig(num_workers=WORKERS),
        run_config=RunConfig(
            name="run", storage_path=f"{folder}/ray", failure_config=FailureConfig(max_failures=1)
        ),
    ).fit()
    ray.shutdown()
