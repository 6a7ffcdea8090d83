"""The thin slice: data, fit, accuracy, on every backend."""

import pytest

import gpunet as gn


def test_digits_are_learnt(backend):
    X, y, X_test, y_test = gn.datasets.digits()
    net = gn.Network([gn.Dense(32, "relu"), gn.Dense(10, "softmax")], seed=0, backend=backend.name)
    history = net.fit(
        X, y, optimizer=gn.Adam(1e-2), epochs=4, batch_size=64, validation_data=(X_test, y_test)
    )
    assert history.val_accuracy[-1] > 0.92
    assert net.evaluate(X_test, y_test)["accuracy"] == history.val_accuracy[-1]
    assert type(net.predict(X_test)) is type(X_test)


def test_all_backends_agree(backend):
    X, y, _, _ = gn.datasets.digits()

    def losses(name):
        net = gn.Network(
            [gn.Dense(16, "tanh"), gn.Dropout(0.3), gn.Dense(10, "softmax")],
            seed=3,
            backend=name,
            dtype="float64",
        )
        return net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=2, batch_size=100).loss

    assert losses(backend.name) == pytest.approx(losses("numpy"), rel=1e-9)
