"""Networks as PyTorch modules: the same numbers, and back again."""

import io
import sys

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS

torch = pytest.importorskip("torch")
nn = torch.nn
outputs = pytest.importorskip("torch_modules").outputs


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
