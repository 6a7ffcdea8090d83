"""A run that ends at a random step goes on from its checkpoint, to the bit."""

import contextlib
import tempfile

import numpy as np

import gpunet as gn
from gpunet.training.loop import TrainingLoop

COUNT = 60
ACTIVATIONS = ["relu", "tanh", "sigmoid", "gelu", "leaky_relu"]
BACKENDS = ["numpy", "numpy", "numpy", "readonly", "torch", "jax"]


class Killed(Exception):
    """In the place of a process that ends."""


def usable():
    """The backends to try, with the libraries that are here."""
    here = {info.name for info in gn.list_backends() if info.usable}
    return [name for name in BACKENDS if name in here]


def drawn(rng):
    """The arguments of a network and of a run."""
    rate = 10 ** rng.uniform(-3, -1.5)
    schedule = [rate, gn.Cosine(rate), gn.Cosine(rate, steps=300), gn.Exponential(rate, 0.9, every=20)][
        rng.integers(4)
    ]
    optimizer = [
        gn.GradientDescent(schedule),
        gn.GradientDescent(schedule, momentum=0.9, nesterov=bool(rng.integers(2)), weight_decay=0.01),
        gn.RMSprop(schedule, clip_norm=1.0),
        gn.Adam(schedule, beta1=0.8),
        gn.AdamW(schedule, weight_decay=0.1),
    ][rng.integers(5)]
    layers = [
        gn.Dense(int(rng.integers(3, 80)), str(rng.choice(ACTIVATIONS))) for _ in range(rng.integers(1, 3))
    ]
    if rng.integers(2):
        layers.insert(1, gn.Dropout(0.3))
    network = {
        "layers": [*layers, gn.Dense(3, "softmax")],
        "seed": int(rng.integers(100)),
        "dtype": str(rng.choice(["float32", "float64"])),
        "standardizer": gn.Standardizer() if rng.integers(2) else None,
    }
    batch_size = [1, 7, 32, None][rng.integers(4)]
    run = {
        "optimizer": optimizer,
        "epochs": int(rng.integers(2, 8 if batch_size else 40)),
        "batch_size": batch_size,
        "shuffle": bool(rng.integers(2)),
        "validation_fraction": 0.2,
    }
    return network, run


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    run_steps, backends = TrainingLoop._run_steps, usable()
    for attempt in range(count):
        network, run = drawn(rng)
        backend = backends[attempt % len(backends)]
        if backend == "jax":  # in its 32-bit mode
            network["dtype"] = "float32"
        m = int(rng.integers(40, 400))
        X, y = rng.standard_normal((m, 12)), rng.integers(0, 3, m)
        steps, stopping = int(rng.integers(1, 40)), bool(rng.integers(2))

        def fit(folder, network=network, run=run, backend=backend, X=X, y=y, steps=steps, stopping=stopping):
            net = gn.Network(**network, backend=backend)
            callbacks = gn.EarlyStopping(2, min_delta=0.01) if stopping else ()
            net.fit(X, y, **run, callbacks=callbacks, checkpoint=gn.Checkpoint(folder, steps=steps))
            return net

        chunks = []

        def counting(self, *arguments, chunks=chunks):
            chunks.append(1)
            return run_steps(self, *arguments)

        def ending(self, *arguments, chunks=chunks):
            if not chunks:
                raise Killed
            chunks.pop()
            return run_steps(self, *arguments)

        with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
            try:
                TrainingLoop._run_steps = counting
                expected = fit(whole)
                del chunks[int(rng.integers(len(chunks))) :]
                TrainingLoop._run_steps = ending
                with contextlib.suppress(Killed):
                    fit(parts)
            finally:
                TrainingLoop._run_steps = run_steps
            found = fit(parts)
        same = all(
            np.array_equal(
                *(net.placement.backend.to_host(p) for net, p in zip((expected, found), pair, strict=True))
            )
            for ours, theirs in zip(expected.parameters, found.parameters, strict=True)
            for pair in zip(ours, theirs, strict=True)
        )
        figures = [
            (h.loss, h.val_loss, h.learning_rate, h.stopped) for h in (expected.history, found.history)
        ]
        yield (
            None
            if same and figures[0] == figures[1]
            else f"{backend}, {network}, {run}, {steps=}, {stopping=}"
        )
