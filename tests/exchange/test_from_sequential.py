"""PyTorch modules of other people's making as networks."""

import copy

import numpy as np
import pytest

import gpunet as gn

torch = pytest.importorskip("torch")
nn = torch.nn
outputs = pytest.importorskip("torch_modules").outputs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_a_nested_stack(close, rng, dtype, training):
    torch.manual_seed(0)
    act = nn.ReLU(inplace=True)  # one that recurs
    module = nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Linear(12, 8, bias=False), act, nn.Dropout(0.5), nn.Dropout(0.2)),
        nn.Identity(),
        nn.Sequential(nn.Sequential(nn.Linear(8, 6), act), nn.Linear(6, 5)),
        nn.Linear(5, 2),
        nn.Sigmoid(),
    ).to(dtype)
    module.train(training)
    net = gn.from_torch(module, seed=3, backend="numpy")
    assert [(d.units, d.activation) for d in net.layers] == [
        (8, "relu"),
        (6, "relu"),
        (5, "identity"),
        (2, "sigmoid"),
    ]
    assert net.dropouts == (0.0, pytest.approx(0.6), 0.0, 0.0)
    assert (net.loss, net.inputs, net.seed, net.epochs_trained) == ("logistic", 12, 3, 0)
    assert module.training == training
    X = rng.normal(size=(7, 3, 4)).astype(str(dtype).removeprefix("torch."))
    close(net.predict(X), outputs(copy.deepcopy(module).eval(), X))


def test_the_seed_is_drawn_or_given():
    drawn = [gn.from_torch(nn.Linear(2, 1), backend="numpy").seed for _ in range(2)]
    assert all(isinstance(seed, int) for seed in drawn) and drawn[0] != drawn[1]
    assert gn.from_torch(nn.Linear(2, 1), seed=0, backend="numpy").seed == 0


def test_one_linear_alone(close, rng):
    module = nn.Linear(4, 2)
    net = gn.from_torch(module, backend="numpy")
    X = rng.normal(size=(5, 4)).astype("float32")
    close(net.predict(X), outputs(module, X))
    assert net.loss == "squared_error"


@pytest.mark.parametrize(
    ("end", "loss", "activation", "chosen", "function"),
    [
        ([nn.LogSoftmax(dim=1)], None, "softmax", "cross_entropy", torch.exp),
        ([nn.LogSoftmax(dim=-1)], "squared_error", "softmax", "squared_error", torch.exp),
        ([nn.Softmax(dim=-1)], None, "softmax", "cross_entropy", lambda A: A),
        ([nn.Sigmoid()], "squared_error", "sigmoid", "squared_error", lambda A: A),
        ([nn.Tanh()], None, "tanh", "squared_error", lambda A: A),
        ([], "cross_entropy", "softmax", "cross_entropy", lambda A: torch.softmax(A, dim=1)),
        ([], "logistic", "sigmoid", "logistic", torch.sigmoid),
        ([nn.Identity()], "logistic", "sigmoid", "logistic", torch.sigmoid),
        ([], "absolute_error", "identity", "absolute_error", lambda A: A),
        ([], None, "identity", "squared_error", lambda A: A),
    ],
)
def test_the_output_and_the_loss(close, rng, end, loss, activation, chosen, function):
    module = nn.Sequential(nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 3), *end)
    net = gn.from_torch(module, loss, backend="numpy")
    assert (net.layers[-1].activation, net.loss) == (activation, chosen)
    X = rng.normal(size=(5, 4)).astype("float32")
    close(net.predict(X), function(torch.from_numpy(outputs(module, X))).numpy())


def test_the_same_gradients(rng):
    """The loss and its gradients are those of PyTorch's cross-entropy on the logits."""
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    net = gn.from_torch(module, loss="cross_entropy", backend="numpy")
    X, y = rng.normal(size=(9, 4)), rng.integers(3, size=9)
    loss = nn.CrossEntropyLoss()(module(torch.from_numpy(X)), torch.from_numpy(y))
    loss.backward()
    J, gradients = net.gradients(X, y)
    assert pytest.approx(loss.item()) == J
    for linear, (dW, db) in zip((module[0], module[2]), gradients, strict=True):
        np.testing.assert_allclose(dW, linear.weight.grad.numpy(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(db[:, 0], linear.bias.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_training_goes_on(rng):
    """A module that PyTorch has trained, trained further: the loss falls from where it was."""
    torch.manual_seed(0)
    X, y = rng.normal(size=(200, 4)).astype("float32"), rng.integers(3, size=200)
    X[:, 0] += 4 * y
    module = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    net = gn.from_torch(module, loss="cross_entropy", seed=0, backend="numpy")
    start = net.evaluate(X, y)["loss"]
    history = net.fit(X, y, optimizer=gn.Adam(0.01), epochs=10)
    assert history.loss[-1] < history.loss[0] < start + 0.1
    assert net.evaluate(X, y)["accuracy"] > 0.8


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_the_backend(backend):
    net = gn.from_torch(nn.Linear(3, 2), backend=backend)
    assert net.placement.backend.name == backend
