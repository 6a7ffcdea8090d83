"""Runs with checkpoints: their data and networks, and what must be the same when they go on."""

import numpy as np

import gpunet as gn
from broken_runs import killed_after

M, N, K = 90, 6, 3


OPTIMIZERS = {
    "descent": gn.GradientDescent(0.05),
    "momentum": gn.GradientDescent(gn.Cosine(0.1), momentum=0.8, nesterov=True, weight_decay=0.01),
    "rmsprop": gn.RMSprop(gn.Exponential(0.01, 0.9, every=20), decay=0.9),
    "adam": gn.Adam(0.01, beta1=0.8, clip_norm=1.0),
    "adamw": gn.AdamW(gn.Cosine(0.01, warmup=0.2, steps=100)),
}


def examples():
    rng = np.random.default_rng(5)
    return rng.standard_normal((M, N)).astype("float32") * 3 + 1, rng.integers(0, K, M)


def network(backend="numpy", seed=4, dropout=0.2, **more):
    layers = [gn.Dense(8, "relu"), gn.Dropout(dropout), gn.Dense(K, "softmax")]
    return gn.Network(layers, seed=seed, backend=backend, **{"standardizer": gn.Standardizer(), **more})


def numbers(net):
    to_host = net.placement.backend.to_host
    state = net._trained.state
    return np.concatenate(
        [to_host(p).ravel() for pair in state.parameters for p in pair]
        + [to_host(s).ravel() for pair in state.slots for slots in pair for s in slots]
    )


def figures(history):
    return (
        history.loss,
        history.val_loss,
        history.val_accuracy,
        history.learning_rate,
        history.epochs,
        history.stopped,
    )


def same_run(data, tmp_path, monkeypatch, backend, seed, optimizer, batch_size, steps, stopping, calls):
    """An undisturbed run, and one that was ended and went on, give the same bits."""
    X, y = data
    more = {"optimizer": optimizer, "epochs": 5, "batch_size": batch_size, "validation_fraction": 0.3}

    def fit(folder):
        net = network(backend, seed)
        callbacks = gn.EarlyStopping(2, min_delta=0.02) if stopping else ()
        checkpoint = gn.Checkpoint(tmp_path / folder, steps=steps)
        return net, net.fit(X, y, **more, callbacks=callbacks, checkpoint=checkpoint)

    whole, history = fit("whole")
    killed = killed_after(calls, monkeypatch, lambda: fit("parts"))
    again, resumed = fit("parts")
    assert np.array_equal(numbers(again), numbers(whole))
    assert figures(resumed) == figures(history)
    assert len(resumed.seconds) == history.epochs
    return killed


def wait_for_the_writer(network, history):
    import threading

    for thread in threading.enumerate():
        if thread.name == "gpunet checkpoint":
            thread.join()
