"""Strong scaling: examples per second on 1, 2, 4, … ranks of one core each, beside PyTorch DDP with gloo.

``python -m benchmarks.team_scaling --ranks 1,2,4,8,16`` on an idle machine with as many cores; needs mpi4py with an
MPI library, and PyTorch. Each figure is the median of some repeats.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys

from benchmarks.team_worker import REPEATS

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
EXAMPLES = 32_768  # of a repeat, at least a batch


def output_of(command, environment):
    """Start a process; a function that waits for it and returns what it printed."""
    process = subprocess.Popen(
        command, env=os.environ | ONE_THREAD | environment, stdout=subprocess.PIPE, text=True
    )

    def wait():
        printed, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        return printed

    return wait


def speed(who, ranks, layers, batch):
    """Median examples per second."""
    steps = max(EXAMPLES // batch, 1)
    worker = [sys.executable, "-m", "benchmarks.team_worker", who, layers, str(batch), str(steps)]
    if who == "gpunet":
        waiting = [output_of(["mpiexec", "-n", str(ranks), *worker], {})]
    else:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks)}
        waiting = [output_of(worker, where | {"RANK": str(rank)}) for rank in range(ranks)]
    speeds = [float(word) for wait in waiting for word in wait().split()]
    assert len(speeds) == REPEATS
    return statistics.median(speeds)


def main():
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.team_scaling", description=__doc__)
    parser.add_argument("--layers", default="784,1024,1024,10", help="inputs and units")
    parser.add_argument("--batches", default="1024,8192")
    parser.add_argument("--ranks", default="1,2,4,8,16")
    options = parser.parse_args()
    print("  batch  ranks      gpunet         DDP  gpunet / DDP")
    for batch in map(int, options.batches.split(",")):
        for ranks in map(int, options.ranks.split(",")):
            ours, theirs = (speed(who, ranks, options.layers, batch) for who in ("gpunet", "ddp"))
            print(f"{batch:7,}{ranks:7,}{ours:12,.0f}{theirs:12,.0f}{ours / theirs:14.2f}", flush=True)


if __name__ == "__main__":
    main()
