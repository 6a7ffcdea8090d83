"""Networks as PyTorch modules and back, and modules of other people's making."""

import copy
import io
import sys

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS

torch = pytest.importorskip("torch")
nn = torch.nn


def outputs(module, X):
    with torch.no_grad():
        return module(torch.from_numpy(X)).numpy()


# --- to PyTorch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_both_ways(network, close, rng, activation, dtype):
    net = network(
        [gn.Dropout(0.2), gn.Dense(7, activation), gn.Dropout(0.3), gn.Dense(3, activation)], dtype=dtype
    )
    module = net.to_torch()
    X = (rng.normal(size=(40, 4)) * np.logspace(-8, 2, 40)[:, None]).astype(dtype)
    close(outputs(module, X), net.predict(X))
    back = gn.from_torch(module, backend="numpy")
    assert (back.layers, back.dropouts, back.dtype, back.inputs) == (net.layers, net.dropouts, dtype, 4)
    np.testing.assert_array_equal(back.predict(X), net.predict(X))


def test_the_modules_and_their_mode(network):
    net = network([gn.Dense(5, "relu"), gn.Dropout(0.25), gn.Dense(3, "softmax")])
    module = net.to_torch()
    assert not module.training
    assert [type(one) for one in module] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.Softmax]
    assert module[2].p == 0.25
    for linear, (W, b) in zip((module[0], module[3]), net.parameters, strict=True):
        np.testing.assert_array_equal(linear.weight.detach().numpy(), W)
        np.testing.assert_array_equal(linear.bias.detach().numpy(), b[:, 0])
        assert linear.weight.requires_grad and linear.bias.requires_grad


def test_weights_are_copies_and_no_random_number_is_drawn(network):
    net = network([gn.Dense(3, "softmax")])
    before = [W.copy() for W, _ in net.parameters]
    state = torch.random.get_rng_state()
    module = net.to_torch()
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.no_grad():
        module[0].weight.zero_()
    np.testing.assert_array_equal(net.parameters[0][0], before[0])
    back = gn.from_torch(module, backend="numpy")
    with torch.no_grad():
        module[0].weight.fill_(1.0)
    assert not back.parameters[0][0].any()


def test_frozen_layers_both_ways(network):
    net = network([gn.Dense(5, "relu", trainable=False), gn.Dense(4, "tanh"), gn.Dense(3, trainable=False)])
    module = net.to_torch()
    frozen = [not parameter.requires_grad for parameter in module.parameters()]
    assert frozen == [True, True, False, False, True, True]
    back = gn.from_torch(module, loss="cross_entropy", backend="numpy")
    assert [layer.trainable for layer in back.layers] == [False, True, False]
    assert [layer.activation for layer in back.layers] == ["relu", "tanh", "softmax"]
    module[2].bias.requires_grad_(False)
    with pytest.raises(ValueError, match=r"module 2 is Linear.*either weight or bias is frozen"):
        gn.from_torch(module)
    alone = nn.Linear(2, 1, bias=False).requires_grad_(False)
    assert not gn.from_torch(alone, backend="numpy").layers[0].trainable


@pytest.mark.parametrize(
    ("activation", "function"), [("softmax", nn.Softmax(dim=1)), ("sigmoid", nn.Sigmoid())]
)
def test_logits(network, close, rng, activation, function):
    net = network([gn.Dense(5, "relu"), gn.Dense(3, activation)])
    module = net.to_torch(logits=True)
    assert type(module[-1]) is nn.Linear
    X = rng.normal(size=(6, 4)).astype("float32")
    close(function(torch.from_numpy(outputs(module, X))).numpy(), net.predict(X))
    with pytest.raises(ValueError, match="this network ends with relu: leave logits out"):
        network([gn.Dense(5, "relu")]).to_torch(logits=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("per", ["feature", "set"])
def test_a_standardizer_both_ways(network, standardizer, close, rng, per, dtype):
    X = rng.normal(size=(30, 4)) * [1, 5, 3, 2] + [1e8, -3, 0, 7]
    net = network([gn.Dense(6, "tanh"), gn.Dense(2)], dtype=dtype)
    net.standardizer = standardizer(X, per)
    module = net.to_torch()
    close(outputs(module, X), net.predict(X))
    state = io.BytesIO()
    torch.save(module.state_dict(), state)
    state.seek(0)
    names = torch.load(state)
    assert list(names) == ["0.mean", "0.deviation", "1.weight", "1.bias", "3.weight", "3.bias"]
    back = gn.from_torch(module, backend="numpy")
    assert back.standardizer.per == per
    np.testing.assert_array_equal(back.predict(X), net.predict(X))
    assert f"4 features, per={per!r}" in repr(module)


def test_a_standardizer_takes_images_and_follows_the_dtype(network, standardizer, close, rng):
    images = rng.integers(256, size=(10, 2, 2)).astype("uint8")
    net = network([gn.Dense(3, "softmax")])
    net.standardizer = standardizer(images.reshape(10, 4).astype("float64"), "set")
    module = net.to_torch()
    close(outputs(module, images), net.predict(images))
    assert module.half()(torch.from_numpy(images)).dtype == torch.float16
    assert module.double()(torch.from_numpy(images)).dtype == torch.float64


def test_a_standardizer_that_is_not_fitted_is_left_out(network):
    net = network([gn.Dense(3)], standardizer=gn.Standardizer())
    assert [type(one) for one in net.to_torch()] == [nn.Linear]


def test_values_in_their_own_unit_both_ways(close, rng):
    rows = {"size": rng.normal(size=40), "color": ["red", "blue"] * 20}
    price = 1000 + 300 * rows["size"]
    net = gn.Network([gn.Dense(5, "relu"), gn.Dense(1)], seed=0, backend="numpy", encoder=gn.TableEncoder())
    net.fit(rows, price, epochs=3)
    module = net.to_torch()
    X = net.encoder.transform(rows)
    close(outputs(module, X), net.predict(rows))
    back = gn.from_torch(module, backend="numpy")
    np.testing.assert_array_equal(back.predict(X), net.predict(rows))
    assert back.evaluate(X, price)["loss"] == pytest.approx(net.evaluate(rows, price)["loss"])
    before = back.evaluate(X, price)["loss"]
    back.fit(X, price, optimizer=gn.Adam(0.01), epochs=20)
    assert back.evaluate(X, price)["loss"] < before / 2


def test_ones_own_activation_is_refused(network):
    square = gn.Activation("square", lambda xp, Z: Z * Z, lambda xp, dA, Z, A: 2 * dA * Z)
    with pytest.raises(
        ValueError, match="PyTorch has no module for it, and 'square' is an activation of your own"
    ):
        network([gn.Dense(3, square), gn.Dense(1)]).to_torch()


def test_no_weights_yet():
    with pytest.raises(ValueError, match="does not know its inputs yet"):
        gn.Network([gn.Dense(3)], backend="numpy").to_torch()


def test_the_library_is_not_installed(network, monkeypatch):
    module = nn.Linear(2, 1)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"made with torch, .* install it with: pip install .*\[torch\]"):
        network([gn.Dense(3)]).to_torch()
    with pytest.raises(ImportError, match=r"install it with: pip install .*\[torch\]"):
        gn.from_torch(module)


# --- from PyTorch -------------------------------------------------------------------------------


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


class Own(nn.Module):
    def forward(self, X):
        return X


class OwnLinear(nn.Linear):
    def forward(self, X):
        return super().forward(X) * 2


SHARED = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([nn.Conv2d(1, 2, 3)], r"module 1\.0 is Conv2d\(1, 2, .*no counterpart in gpunet\. from_torch takes Linear"),
        ([nn.Linear(4, 4), nn.BatchNorm1d(4)], r"module 1\.1 is BatchNorm1d\(4, .*no counterpart"),
        ([nn.Linear(4, 4), nn.Hardswish()], "Hardswish.*no counterpart"),
        ([OwnLinear(4, 4)], "OwnLinear.*no counterpart"),
        ([nn.LazyLinear(4)], "LazyLinear.*no counterpart"),
        ([Own()], "Own.*no counterpart"),
        ([nn.Linear(4, 4), nn.AlphaDropout(0.2)], "AlphaDropout.*no counterpart"),
        ([nn.Linear(4, 4), nn.Flatten()], "Flatten.*before the first Linear only"),
        ([nn.Flatten(0)], r"flattens each example whole: Flatten\(\) with its defaults"),
        ([nn.Flatten(1, 2)], r"flattens each example whole"),
        ([nn.Tanh()], "Tanh.*must follow a Linear: an activation belongs to its layer"),
        ([nn.Linear(4, 4), nn.Tanh(), nn.ReLU()], "ReLU.*must follow a Linear"),
        ([nn.Linear(4, 4), nn.Dropout(0.1), nn.Tanh()], "Tanh.*must follow a Linear"),
        ([nn.Linear(4, 4), nn.LeakyReLU(0.2)], r"LeakyReLU.*=0\.2\); gpunet has it with negative_slope=0\.01 only"),
        ([nn.Linear(4, 4), nn.ELU(0.5)], r"with alpha=1\.0 only"),
        ([nn.Linear(4, 4), nn.Softplus(2.0)], r"with beta=1\.0 only"),
        ([nn.Linear(4, 4), nn.Softplus(2.0, 3.0)], r"with beta=1\.0, threshold=20\.0 only"),
        ([nn.Linear(4, 4), nn.GELU()], r"with approximate=tanh only"),
        ([nn.Linear(4, 4), nn.Softmax(dim=0)], r"over the outputs of an example: dim=1"),
        ([nn.Linear(4, 4), nn.LogSoftmax(dim=0)], r"over the outputs of an example: dim=1"),
        ([nn.Linear(4, 4), nn.Softmax()], r"over the outputs of an example: dim=1"),
        ([nn.Linear(4, 4), nn.LogSoftmax(dim=1), nn.Linear(4, 2)], r"nothing may follow LogSoftmax$"),
        ([SHARED, nn.ReLU(), SHARED], "whose weights another one has too: gpunet's layers share none"),
        ([nn.Linear(4, 4), nn.Dropout(1.0), nn.Linear(4, 4)], r"rate must lie in \[0, 1\), got 1\.0"),
        ([nn.Linear(4, 4), nn.Dropout(0.2)], "Dropout after the last layer"),
        ([nn.Flatten(), nn.Dropout(0.2)], "the module has no Linear layer"),
        ([nn.Linear(4, 4).half()], r"weights are float16; gpunet has float32 or float64: pass module\.float\(\)"),
        ([nn.Linear(4, 4), nn.Linear(4, 4).double()], "weights are float32 and float64"),
        ([nn.Linear(4, 5), nn.Linear(4, 4)], r"W\[2\] must have shape \(4, 5\), got \(4, 4\)"),
        ([nn.Linear(4, 1), nn.Softmax(dim=1)], "softmax over one unit is always 1"),
    ],
)  # fmt: skip
def test_what_is_refused(modules, message):
    module = nn.Sequential(nn.Identity(), nn.Sequential(*modules))
    with pytest.raises(ValueError, match=message):
        gn.from_torch(module)


def test_other_refusals():
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module, got list"):
        gn.from_torch([nn.Linear(2, 1)])
    with pytest.raises(ValueError, match="it is Own, which has no counterpart"):
        gn.from_torch(Own())
    with pytest.raises(ValueError, match="cross_entropy needs an output between 0 and 1"):
        gn.from_torch(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), loss="cross_entropy")
    with pytest.raises(ValueError, match="unknown backend 'nimpy'"):
        gn.from_torch(nn.Linear(2, 1), backend="nimpy")
    broken = nn.Linear(2, 1)
    with torch.no_grad():
        broken.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"W\[1\] holds NaN"):
        gn.from_torch(broken)
    net = gn.Network([gn.Dense(2)], inputs=2, backend="numpy")
    net.standardizer = gn.Standardizer()
    net.standardizer.mean, net.standardizer.deviation = np.zeros(2), np.ones(2)
    twice = net.to_torch()
    with pytest.raises(ValueError, match=r"Standardize.*before the first Linear only"):
        gn.from_torch(nn.Sequential(nn.Linear(2, 2), *twice))


def test_nothing_may_follow_the_own_unit():
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy", encoder=gn.TableEncoder())
    net.fit({"a": [1.0, 2.0, 3.0]}, [1.0, 2.0, 4.0], epochs=1)
    with pytest.raises(ValueError, match=r"nothing may follow OwnUnit$"):
        gn.from_torch(nn.Sequential(net.to_torch(), nn.Linear(1, 1)))


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_the_backend(backend):
    net = gn.from_torch(nn.Linear(3, 2), backend=backend)
    assert net.placement.backend.name == backend


def test_a_standardizer_that_only_divides_both_ways(network, standardizer, rng):
    X = rng.normal(size=(9, 4)) * [1, 5, 3, 2]
    net = network([gn.Dense(2)], standardizer=gn.Standardizer(center=False))
    net.standardizer.mean, net.standardizer.deviation = np.zeros(4), X.std(axis=0)
    module = net.to_torch()
    back = gn.from_torch(module, backend="numpy")
    assert not back.standardizer.center
    sparse = pytest.importorskip("scipy.sparse").csr_array(X)
    np.testing.assert_allclose(back.predict(sparse), outputs(module, X), rtol=1e-5, atol=1e-6)
    del module[0].center  # as an earlier version pickled it
    assert gn.from_torch(module, backend="numpy").standardizer.center


def test_two_standardizers(network, standardizer, rng):
    net = network([gn.Dense(2)])
    net.standardizer = standardizer(rng.normal(size=(9, 4)))
    first = net.to_torch()
    with pytest.raises(ValueError, match=r"module 1\.0 is Standardize.*second one: gpunet standardises once"):
        gn.from_torch(nn.Sequential(first[0], first))
    assert gn.from_torch(nn.Sequential(first[0], nn.Flatten(), first[1]), backend="numpy").standardizer.fitted


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_weights_that_are_computed_before_each_call(name):
    """Those that stand there are of the call before."""
    from torch.nn.utils import prune

    linear = nn.Linear(3, 4)
    prune.random_unstructured(linear, name, amount=2)
    with pytest.raises(
        ValueError, match=rf"module 1 is Linear.*whose {name} is computed from other parameters"
    ):
        gn.from_torch(nn.Sequential(nn.Flatten(), linear))
    prune.remove(linear, name)
    net = gn.from_torch(linear, backend="numpy")
    assert (net.parameters[0][0 if name == "weight" else 1] == 0).sum() == 2
