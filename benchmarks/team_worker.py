"""One rank of `benchmarks.team_scaling`, on one core: ``python -m benchmarks.team_worker WHO LAYERS BATCH STEPS``.

WHO is ``gpunet``, started by mpiexec, or ``ddp``: PyTorch's DistributedDataParallel with gloo, told its rank by the
environment as torchrun does. Rank 0 prints examples per second of each repeat.
"""

import os
import sys
import time

import numpy as np

REPEATS = 5  # after one that is not counted


def pin(rank):
    """Keep to one core: the rank-th of those that this process may use."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})


def data(sizes, batch, steps):
    """Random examples of `steps` batches."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((batch * steps, sizes[0]), np.float32)
    return X, rng.integers(0, sizes[-1], len(X))


def train_gpunet(sizes, batch, steps):
    """Examples per second, and the rank."""
    import gpunet as gn

    team = gn.Team("mpi", lanes=max(8, int(os.environ.get("PMI_SIZE", "8"))))
    pin(team.rank)
    *hidden, classes = sizes[1:]
    layers = [*(gn.Dense(units, "relu") for units in hidden), gn.Dense(classes, "softmax")]
    net = gn.Network(layers, seed=0, backend="numpy")
    X, y = data(sizes, batch, steps)
    history = net.fit(X, y, optimizer=gn.Adam(), batch_size=batch, epochs=1 + REPEATS, team=team)
    return [len(X) / seconds for seconds in history.seconds[1:]], team.rank


def train_ddp(sizes, batch, steps):
    """Examples per second, and the rank: each rank takes its share of every batch, as a sampler would give it."""
    import torch
    import torch.distributed

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    pin(rank)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    torch.manual_seed(0)
    modules = []
    for inputs, units in zip(sizes, sizes[1:], strict=False):  # noqa: RUF007
        modules += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*modules[:-1]))
    optimizer, loss = torch.optim.Adam(model.parameters()), torch.nn.CrossEntropyLoss()
    X, y = (torch.from_numpy(array) for array in data(sizes, batch, steps))
    speeds = []
    for repeat in range(1 + REPEATS):
        order = torch.from_numpy(np.random.default_rng(repeat).permutation(len(X)))
        torch.distributed.barrier()
        begun = time.perf_counter()
        for first in range(0, len(X), batch):
            part = order[first : first + batch][rank * batch // size : (rank + 1) * batch // size]
            optimizer.zero_grad()
            loss(model(X[part]), y[part]).backward()
            optimizer.step()
        torch.distributed.barrier()
        speeds.append(len(X) / (time.perf_counter() - begun))
    torch.distributed.destroy_process_group()
    return speeds[1:], rank


if __name__ == "__main__":
    who, layers, batch, steps = sys.argv[1:]
    train = {"gpunet": train_gpunet, "ddp": train_ddp}[who]
    speeds, rank = train([int(one) for one in layers.split(",")], int(batch), int(steps))
    if rank == 0:
        print(*speeds)
