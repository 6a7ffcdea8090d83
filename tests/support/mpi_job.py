"""What the ranks of test_mpi.py run: ``mpiexec -n 4 python mpi_job.py JOB FOLDER``."""

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn

EPOCHS, BATCH = 6, 20
STEP = 17  # in which a rank fails
SENT = 20_000  # bytes that it has sent to other GPUs before

OPTIMIZERS = {
    "adam": gn.Adam(0.02, clip_norm=0.5),
    "descent": gn.GradientDescent(gn.Cosine(0.1), momentum=0.8, nesterov=True),
    "adamw": gn.AdamW(0.01, weight_decay=0.2),
    "rmsprop": gn.RMSprop(0.01),
}


def data(seed=0, m=203):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, 7)).astype("float32"), rng.integers(0, 4, m)


def network(dropout=0.3, **more):
    layers = [gn.Dense(9, "tanh"), gn.Dropout(dropout), gn.Dense(4, "softmax")]
    return gn.Network(layers, **{"seed": 3, "backend": "numpy"} | more)


def digest(net, *more):
    parts = b"".join(np.array(p).tobytes() for pair in net.parameters for p in pair)
    return hashlib.sha256(parts + repr(more).encode()).hexdigest()[:16]


def plans(team, folder):
    """Many plans, in one launch: a digest of weights and history for each of them."""
    X, y = data()
    found = {}
    for name, optimizer in OPTIMIZERS.items():
        for batch, weighted in ((64, False), (20, True), (8, False)):  # 203 = 25 · 8 + 3: lanes are empty
            net = network()
            weight = np.linspace(0.5, 2, len(X)) if weighted else None
            history = net.fit(
                *(X, y),
                **{"optimizer": optimizer, "batch_size": batch, "epochs": 2, "sample_weight": weight},
                validation_fraction=0.2,
                callbacks=gn.EarlyStopping(1),
                team=team,
            )
            found[f"{name} {batch}"] = digest(net, history.loss, history.val_loss, history.stopped)
    net = network(0.0, dtype="float64", standardizer=gn.Standardizer())
    net.fit(X.astype("float64") * 100, y, batch_size=None, epochs=3, team=team)
    found["float64"] = digest(net)
    return found


def await_checkpoint(folder):
    """Rank 0 writes while it trains."""
    while not list((folder / "run").glob("checkpoint-*.safetensors")):
        time.sleep(0.01)


def gpus(team, folder, fail=None, count=4):
    """A GPU for each rank, while there are so many: CuPy and NCCL are stand-ins, MPI carries the arrays."""
    import fake_cupy
    import fake_nccl

    wires = None
    if team.size > 1:
        from mpi4py import MPI

        wires = fake_nccl.Messages(MPI.COMM_WORLD.Dup())
    with pytest.MonkeyPatch.context() as monkeypatch:
        library = fake_nccl.install(fake_cupy.install(monkeypatch), monkeypatch, wires)
        fake_cupy.make_usable(monkeypatch, [f"cuda:{i}" for i in range(count)])

        def before():
            if fail is not None and library.sent > SENT:
                await_checkpoint(folder)
                fail(team)

        library.before = before
        X, y = data()
        net = network(0.2, backend=f"cupy:{team.rank % count}")
        history = net.fit(
            *(X, y),
            **{"optimizer": OPTIMIZERS["adamw"], "batch_size": BATCH, "epochs": EPOCHS},
            checkpoint=gn.Checkpoint(folder / "run", every="epoch"),
            team=team,
        )
        return digest(net, history.loss), history.reason


def unreachable(team):
    if team.rank == team.size - 1:
        import fake_nccl

        raise fake_nccl.NcclError(2)


def train(team, folder, fail=None):
    """A run with checkpoints; `fail` is called in one step."""
    X, y = data()
    steps = 0
    failures = [fail]  # a list: a transform with another function in it would be that of another run

    def transform(rows, rng):
        nonlocal steps
        steps += 1
        if steps == STEP and failures[0] is not None:
            await_checkpoint(folder)
            failures[0](team)
        return rows + rng.normal(size=rows.shape).astype("float32") / 10

    net = network()
    history = net.fit(
        *(X, y),
        **{"batch_size": BATCH, "epochs": EPOCHS, "validation_fraction": 0.2, "transform": transform},
        callbacks=gn.ReduceOnPlateau(patience=1),
        checkpoint=gn.Checkpoint(folder / "run", every=0.0),
        team=team,
    )
    return digest(net, history.loss, history.val_loss, history.learning_rate)


def die(number, first=False):
    def fail(team):
        if team.rank == (0 if first else team.size - 1):
            os.kill(os.getpid(), number)

    return fail


def stumble(team):
    if team.rank == team.size - 1:
        raise OSError("the disk is gone")


def before(team, folder):
    """An error before ``fit``, where the others wait."""
    if team.rank == team.size - 1:
        raise LookupError("no data here")
    return train(team, folder)


def on_one_rank(team, folder):
    """A script that trains on the first rank alone, as one does that writes a file."""
    if team.rank == 0:
        network().fit(*data(), epochs=1, team=team)


def other_data(team, folder):
    network().fit(*data(seed=team.rank), epochs=1, team=team)


JOBS = {
    "plans": plans,
    "train": train,
    "gpus": gpus,
    "shared gpu": lambda team, folder: gpus(team, folder, count=1),
    "gpu killed": lambda team, folder: gpus(team, folder, die(signal.SIGKILL)),
    "gpu unreachable": lambda team, folder: gpus(team, folder, unreachable),
    "killed": lambda team, folder: train(team, folder, die(signal.SIGKILL)),
    "first killed": lambda team, folder: train(team, folder, die(signal.SIGKILL, first=True)),
    "terminated": lambda team, folder: train(team, folder, die(signal.SIGTERM)),
    "ctrl-c": lambda team, folder: train(team, folder, die(signal.SIGINT)),
    "error": lambda team, folder: train(team, folder, stumble),
    "before": before,
    "other data": other_data,
    "on one rank": on_one_rank,
}

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    job, folder = sys.argv[1], Path(sys.argv[2])
    team = gn.Team()
    result = JOBS[job](team, folder)
    (folder / f"{job} {team.rank} of {team.size}").write_text(repr(result))
