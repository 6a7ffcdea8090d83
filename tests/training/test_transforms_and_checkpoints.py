"""Runs with a transform that go on from a checkpoint, and those that are another run."""

import numpy as np
import pytest

import gpunet as gn
from broken_runs import require_that_it_goes_on
from small_networks import K, N, network, small_data
from transforms import as_it_is


def noise(X, rng):
    return X + 0.1 * rng.normal(size=X.shape)


def mixup(X, y, rng):
    order, share = rng.permutation(len(X)), rng.beta(0.4, 0.4)
    return share * X + (1 - share) * X[order], share * y + (1 - share) * y[order]


@pytest.mark.parametrize(
    ("batch_size", "most", "every"), [(1, 30, 5), (2, 8, None), (5, 2**24, 4), (1, 2**24, 64)]
)
def test_a_run_goes_on_to_the_bit(batch_size, most, every, tmp_path, monkeypatch, chunks_of):
    """From within batches that are transformed together, too; blocked SGD shows where chunks begin."""
    chunks_of(most)
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(150, N)).astype("float32"), rng.integers(0, K, 150)

    def fit(folder):
        layers = gn.Dense(4, "tanh", trainable=False), gn.Dense(5, "relu"), gn.Dense(K, "softmax")
        net = network("numpy", *layers, standardizer=gn.Standardizer())
        checkpoint = gn.Checkpoint(tmp_path / folder, every=0.0, steps=every)
        optimizer = gn.GradientDescent(gn.Cosine(0.1), 0.5)
        net.fit(
            X,
            y,
            optimizer=optimizer,
            epochs=3,
            batch_size=batch_size,
            transform=mixup,
            checkpoint=checkpoint,
        )
        return net

    require_that_it_goes_on(fit, monkeypatch)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"transform": as_it_is}, "transform was .*noise.*, now it is .*as_it_is"),
        ({"transform": None}, "transform was .*noise.*, now it is None"),
        ({"label_smoothing": 0.2}, "label_smoothing was 0.1, now it is 0.2"),
        ({"class_weight": None}, "class_weight was 'balanced'"),
    ],
)
def test_another_transform_is_another_run(changed, said, rng, tmp_path):
    X, y = small_data(rng)
    options = {"transform": noise, "label_smoothing": 0.1, "class_weight": "balanced"}
    network("numpy").fit(X, y, epochs=2, checkpoint=tmp_path, **options)
    network("numpy").fit(X, y, epochs=2, checkpoint=tmp_path, **options)
    with pytest.raises(gn.AnotherRun, match=said):
        network("numpy").fit(X, y, epochs=2, checkpoint=tmp_path, **{**options, **changed})


def test_other_frozen_layers_are_another_run(rng, tmp_path):
    X, y = small_data(rng)
    net = network("numpy")
    net.set_trainable([False, True])
    net.fit(X, y, epochs=2, checkpoint=tmp_path)
    with pytest.raises(gn.AnotherRun, match="layers"):
        network("numpy").fit(X, y, epochs=2, checkpoint=tmp_path)
