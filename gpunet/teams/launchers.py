"""What has started this process, told by its environment: no library is imported to find out."""

from __future__ import annotations

import os
import sys

# The number of ranks, as launchers set it: MPICH and Slurm's pmi2, Open MPI, MVAPICH, Slurm's srun.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
# A rank's number, where the size is not told: PMIx, Cray PALS.
RANKS = ("PMIX_RANK", "PALS_RANKID")


def ranks_started() -> int:
    """How many processes an MPI launcher has started; 0 if none has, 1 too where it does not tell."""
    told = [int(os.environ[name]) for name in SIZES if os.environ.get(name, "").isdecimal()]
    return max([*told, int(any(name in os.environ for name in RANKS))])


def by_mpi() -> bool:
    """Whether an MPI launcher has started this process."""
    # A shell script that Slurm runs is a step of one task, which starts no MPI by itself.
    known = [name for name in (*SIZES, *RANKS) if name in os.environ]
    return bool(known) and (known != ["SLURM_STEP_NUM_TASKS"] or ranks_started() > 1)


def in_ray_worker() -> bool:
    """Whether this is a worker of Ray Train."""
    if "ray.train" not in sys.modules:
        return False
    from gpunet.teams.ray_train import is_worker

    return is_worker()
