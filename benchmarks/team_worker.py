"""The ranks of `benchmarks.team_scaling`, each on one core.

``mpiexec -n 16 python -m benchmarks.team_worker SETTINGS OUT``. All ranks are started once. For each number of ranks
the first so many train, by gpunet and by PyTorch's DistributedDataParallel with gloo one after the other, and the
others sleep. Rank 0 writes examples per second.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np

SAMPLES = (3, 9)  # of a cell, at least and at most, after one that is not counted
EXAMPLES = 2048  # of a sample for each rank, but two batches at least
IDLE_SECONDS = 0.005


def pin(rank):
    """Keep to one core: the rank-th of those that this process may use, one of each physical core first."""
    if not hasattr(os, "sched_setaffinity"):
        return

    def place(core):
        try:
            siblings = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text()
        except OSError:
            return 0, core
        firsts = [int(part.partition("-")[0]) for part in siblings.split(",")]
        return int(core != firsts[0]), core

    cores = sorted(os.sched_getaffinity(0), key=place)
    os.sched_setaffinity(0, {cores[rank % len(cores)]})


def data(sizes, batch, ranks):
    """Random examples of one sample."""
    rng = np.random.default_rng(0)
    count = max(EXAMPLES * ranks // batch, 2) * batch
    return rng.standard_normal((count, sizes[0]), np.float32), rng.integers(0, sizes[-1], count)


def enough(count, begun, seconds):
    """Whether so many samples will do."""
    least, most = SAMPLES
    return count >= most or (count >= least and time.perf_counter() - begun > seconds)


def train_gpunet(engine, communicator, sizes, X, y, batch, seconds):
    """Examples per second of each epoch but the first."""
    import gpunet as gn

    engine.communicator, engine.rank, engine.size = communicator, communicator.rank, communicator.size
    *hidden, classes = sizes[1:]
    layers = [*(gn.Dense(units, "relu") for units in hidden), gn.Dense(classes, "softmax")]
    net = gn.Network(layers, seed=0, backend="numpy")
    begun = time.perf_counter()
    history = net.fit(
        *(X, y),
        optimizer=gn.Adam(),
        batch_size=batch,
        epochs=1 + SAMPLES[1],
        team=gn.Team.of(engine, lanes=max(8, communicator.size)),
        callbacks=lambda net, history: enough(history.epochs - 1, begun, seconds),
    )
    return [len(X) / one for one in history.seconds[1:]]


def train_ddp(communicator, group, sizes, X, y, batch, seconds):
    """The same; each rank takes its share of every batch, as a sampler would give it."""
    import torch
    import torch.distributed

    rank, size = communicator.rank, communicator.size
    torch.manual_seed(0)
    modules = []
    for inputs, units in zip(sizes, sizes[1:], strict=False):  # noqa: RUF007
        modules += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.parallel.DistributedDataParallel(
        torch.nn.Sequential(*modules[:-1]), process_group=group, gradient_as_bucket_view=True
    )
    optimizer, loss = torch.optim.Adam(model.parameters(), fused=True), torch.nn.CrossEntropyLoss()
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    speeds, begun = [], time.perf_counter()
    # As in `fit`, rank 0 says when it is enough.
    while not communicator.bcast(enough(len(speeds) - 1, begun, seconds)):
        order = torch.from_numpy(np.random.default_rng(len(speeds)).permutation(len(X)))
        torch.distributed.barrier(group)
        first_step = time.perf_counter()
        for first in range(0, len(X), batch):
            part = order[first + rank * batch // size : first + (rank + 1) * batch // size]
            optimizer.zero_grad()
            loss(model(X[part]), y[part]).backward()
            optimizer.step()
        torch.distributed.barrier(group)
        speeds.append(len(X) / (time.perf_counter() - first_step))
    return speeds[1:]


def join_gloo(world):
    """Let all ranks meet in PyTorch."""
    import torch
    import torch.distributed

    torch.set_num_threads(1)
    port = None
    if world.rank == 0:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{world.bcast(port)}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=world.rank, world_size=world.size)


def wait_for_all(world):
    """A barrier at which ranks sleep: one that waits in MPI would keep its core busy."""
    request = world.Ibarrier()
    while not request.Test():
        time.sleep(IDLE_SECONDS)


def main():
    """Measure on every rank; write on the first."""
    from mpi4py import MPI as library

    settings, out = json.loads(sys.argv[1]), Path(sys.argv[2])
    world = library.COMM_WORLD
    pin(world.rank)
    join_gloo(world)
    import torch.distributed

    from gpunet.teams.mpi import MPI

    engine = MPI()  # by all ranks together

    cells = []
    for ranks in settings["ranks"]:
        if world.bcast(time.time() > settings["deadline"]):
            if world.rank == 0:
                print(f"{ranks} ranks: not measured, the time is up", file=sys.stderr)
            continue
        group = torch.distributed.new_group(range(ranks))
        some = world.Split(int(world.rank < ranks))
        for batch in settings["batches"] if world.rank < ranks else ():
            X, y = data(settings["layers"], batch, ranks)
            given = settings["layers"], X, y, batch, settings["seconds"] / 2
            found = {"gpunet": train_gpunet(engine, some, *given), "ddp": train_ddp(some, group, *given)}
            cells.append({"batch": batch, "ranks": ranks, "examples": len(X), **found})
            if world.rank == 0:
                print(f"batch {batch}, {ranks} ranks: measured", file=sys.stderr, flush=True)
        wait_for_all(world)
    torch.distributed.destroy_process_group()
    if world.rank == 0:
        mpi = " ".join(library.Get_library_version().splitlines()[0].split())
        cells.sort(key=lambda cell: (cell["batch"], cell["ranks"]))
        out.write_text(json.dumps({"mpi": mpi, "cells": cells}))


if __name__ == "__main__":
    main()
