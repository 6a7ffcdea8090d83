"""What a divergence, its advice and the progress bar say of transformed examples."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import M, N, close, network, small_data
from transforms import as_it_is, drawn


def test_a_divergence_is_found_with_the_examples_as_they_were_changed(rng, chunks_of):
    """The last finite weights are found by running the steps again."""
    chunks_of(8)
    X, y = small_data(rng)

    def change(X, rng):
        return X + rng.normal(size=X.shape)

    optimizer = gn.GradientDescent(1e4)
    net = network("numpy", gn.Dense(6, "relu"), gn.Dense(1))
    with pytest.raises(gn.Diverged) as caught:
        net.fit(X, y, optimizer=optimizer, epochs=50, batch_size=4, transform=change)
    # Its steps by hand
    twin = network("numpy", gn.Dense(6, "relu"), gn.Dense(1))
    steps = 3 * (caught.value.epoch - 1) + caught.value.step - 1
    assert steps > 1
    for number in range(steps - 1):
        epoch, step = divmod(number, 3)
        batch = np.random.default_rng([0, epoch]).permutation(M)[4 * step : 4 * step + 4]
        rows = (X[batch] + drawn(0, epoch, step).normal(size=(4, N))).astype("float32")
        _, gradients = twin.gradients(rows, y[batch])
        twin.set_parameters(
            [
                (W - np.float32(1e4) * dW, b - np.float32(1e4) * db)
                for (W, b), (dW, db) in zip(twin.parameters, gradients, strict=True)
            ]
        )
    close(net, twin, rtol=1e-4)


def test_large_inputs_in_the_advice_are_those_after_the_standardizer(rng):
    X, y = small_data(rng)
    net = network("numpy", gn.Dense(6, "relu"), gn.Dense(1), standardizer=gn.Standardizer())
    with pytest.raises(gn.Diverged) as caught:
        net.fit(1e4 * X, y, optimizer=gn.GradientDescent(1e8), epochs=50, batch_size=4, transform=as_it_is)
    assert "inputs are large" not in str(caught.value)


def test_the_bar_shows_the_accuracy_on_standardised_examples(monkeypatch, rng):
    X, y = small_data(rng)
    monkeypatch.setattr("gpunet.training.progress.ProgressBar.visible", True)
    monkeypatch.setattr("gpunet.training.progress.ProgressBar.advance", lambda *_: None)
    shown = []
    monkeypatch.setattr(
        "gpunet.training.progress.ProgressBar.epoch", lambda self, history, accuracy: shown.append(accuracy)
    )
    monkeypatch.setattr("gpunet.training.progress.ProgressBar.close", lambda self: None)
    net = network("numpy", standardizer=gn.Standardizer())
    net.fit(100 * X, y, epochs=5, optimizer=gn.Adam(0.1), transform=as_it_is)
    assert shown[-1] == net.evaluate(100 * X, y)["accuracy"]
