"""Label smoothing: targets of classes that leave some probability to the others."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.label_smoothing import smoothed
from small_networks import K, M, N, close, network, same, small_data


@pytest.mark.parametrize(
    ("kind", "activation", "expected"),
    [
        ("classes", "softmax", [[0.85], [0.05], [0.05], [0.05]]),
        ("classes", "identity", [[0.85], [0.05], [0.05], [0.05]]),
        ("classes", "sigmoid", [[0.9], [0.1], [0.1], [0.1]]),
        ("labels", "sigmoid", [[0.9], [0.1], [0.1], [0.1]]),
    ],
)
def test_what_becomes_of_targets(backend, kind, activation, expected):
    Y = backend.from_host(np.eye(4, dtype="float32")[:, :1], backend.devices()[0])
    found = smoothed(Y, 0.2, kind, activation)
    np.testing.assert_allclose(backend.to_host(found), expected, rtol=1e-6)
    assert backend.to_host(found).dtype == np.float32
    assert smoothed(Y, 0.0, kind, activation) is Y
    assert smoothed(Y, 0.0, "values", activation) is Y


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "binary"])
def test_smoothing_is_what_pytorch_does(backend, output):
    """One step of descent along the gradient of PyTorch's own loss, with its option or with its own targets."""
    torch = pytest.importorskip("torch")
    X, y = small_data(np.random.default_rng(3))
    units = 1 if output == "binary" else K
    targets = y if output == "softmax" else np.eye(K)[y] if output == "sigmoid" else (y > 1) * 1.0
    net = network(backend, gn.Dense(units, "softmax" if output == "softmax" else "sigmoid"))
    W, b = (torch.tensor(np.array(backend.to_host(p)), requires_grad=True) for p in net.parameters[0])
    Z = torch.tensor(X) @ W.T + b.T
    if output == "softmax":
        J = torch.nn.CrossEntropyLoss(label_smoothing=0.3)(Z, torch.tensor(y))
    else:
        half = torch.tensor(targets.reshape(M, units) * 0.7 + 0.15, dtype=torch.float32)
        J = torch.nn.BCEWithLogitsLoss(reduction="sum")(Z, half) / M
    J.backward()
    history = net.fit(
        X, targets, optimizer=gn.GradientDescent(0.5), epochs=1, batch_size=None, label_smoothing=0.3
    )
    assert history.loss[0] == pytest.approx(J.item(), rel=1e-5)
    for p, before in zip(net.parameters[0], (W, b), strict=True):
        wanted = (before - 0.5 * before.grad).detach().numpy()
        np.testing.assert_allclose(backend.to_host(p), wanted, rtol=1e-4, atol=1e-6)


def test_validation_and_evaluation_are_of_the_targets_given(backend, rng):
    X, y = small_data(rng)
    net = network(backend)
    history = net.fit(*(X, y), epochs=1, batch_size=None, label_smoothing=0.4, validation_data=(X, y))
    figures = net.evaluate(X, y)
    assert history.val_loss[0] == pytest.approx(figures["loss"], rel=1e-6)
    assert history.val_accuracy[0] == figures["accuracy"]
    plain = network(backend)
    plain.fit(X, y, epochs=1, batch_size=None)
    assert not same(net, plain)


def test_class_weights_are_those_of_the_targets_given(backend, rng):
    X, y = small_data(rng)
    for units, targets in ((K, y), (1, y > 1)):
        output = gn.Dense(units, "softmax" if units > 1 else "sigmoid")
        weights = np.where(targets == 1, 5.0, 1.0)
        one, two = (network(backend, output) for _ in range(2))
        one.fit(X, targets, epochs=1, batch_size=None, label_smoothing=0.4, class_weight={1: 5.0})
        two.fit(X, targets, epochs=1, batch_size=None, label_smoothing=0.4, sample_weight=weights)
        close(one, two, rtol=1e-5)


def test_real_targets_have_no_labels(rng):
    X = rng.normal(size=(M, N))
    net = network("numpy", gn.Dense(2))
    before = net.parameters
    with pytest.raises(ValueError, match=r"label_smoothing=0.1 needs classes .* real values: leave it out"):
        net.fit(X, rng.normal(size=(M, 2)), epochs=1, label_smoothing=0.1)
    assert np.array_equal(net.parameters[0][0], before[0][0])
    assert net.epochs_trained == 0
