"""Frozen layers of a network: no fit changes them, files keep them, and what they give is computed once."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.own_functions import EXAMPLES
from small_networks import K, N, close, host, network, same, small_data

OPTIMIZERS = {
    "descent": gn.GradientDescent(gn.Cosine(0.3, 0.1), weight_decay=0.2),
    "momentum": gn.GradientDescent(0.2, 0.8, nesterov=True, weight_decay=0.1),
    "adamw": gn.AdamW(0.05, weight_decay=0.3, clip_norm=0.5),
    "rmsprop": gn.RMSprop(0.02, weight_decay=0.1),
}
LAYERS = (gn.Dense(5, "tanh"), gn.Dense(6, "softplus"), gn.Dense(K, "softmax"))


def frozen_network(backend, *frozen, layers=LAYERS, **more):
    net = network(backend, *layers, **more)
    net.set_trainable([l not in frozen for l in range(len(net.layers))])
    return net


@pytest.mark.parametrize(
    ("optimizer", "frozen"),
    [("descent", (0,)), ("momentum", (0, 1)), ("adamw", (1,)), ("rmsprop", (2,)), ("adamw", (0, 2))],
)
def test_no_fit_changes_a_frozen_layer(backend, optimizer, frozen, rng):
    if backend.name == "jax" and optimizer not in ("momentum", "rmsprop"):
        pytest.skip(
            "compiling takes most of the time; one optimizer for the first layers and one for the last will do"
        )
    X, y = small_data(rng)
    net = frozen_network(backend, *frozen)
    before = host(net)
    for batch_size in (1, 5, None):
        net.fit(X, y, optimizer=OPTIMIZERS[optimizer], epochs=2, batch_size=batch_size)
    for i, (p, was) in enumerate(zip(host(net), before, strict=True)):
        assert np.array_equal(p, was) == (i // 2 in frozen)


def test_a_layer_that_is_trained_again(backend, rng):
    """The optimizer starts afresh, as with new weights: bias corrections of old slots would be wrong."""
    X, y = small_data(rng)
    net, other = frozen_network(backend, 0), network(backend, *LAYERS)
    net.fit(X, y, optimizer=gn.Adam(0.1), epochs=3)
    other.set_parameters(net.parameters)
    other.epochs_trained = 3
    net.set_trainable(True)
    for one in (net, other):
        one.fit(X, y, optimizer=gn.Adam(0.1), epochs=2, batch_size=5)
    assert same(net, other)
    assert all(layer.trainable for layer in net.layers)


def test_what_was_so_before_changes_nothing(rng):
    X, y = small_data(rng)
    net, other = (frozen_network("numpy", 0) for _ in range(2))
    for one in (net, other):
        one.fit(X, y, optimizer=gn.Adam(0.1), epochs=2)
    net.set_trainable((False, True, True))  # as it was: the optimizer goes on
    for one in (net, other):
        one.fit(X, y, optimizer=gn.Adam(0.1), epochs=2)
    assert same(net, other)


def test_layers_may_be_frozen_from_the_start(rng):
    X, y = small_data(rng)
    layers = gn.Dense(5, "tanh", trainable=False), gn.Dense(K, "softmax")
    net, other = network("numpy", *layers), frozen_network("numpy", 0, layers=(*layers[:1], layers[1]))
    before = host(net)
    for one in (net, other):
        one.fit(X, y, epochs=2)
    assert same(net, other)
    assert np.array_equal(host(net)[0], before[0])


@pytest.mark.parametrize(("frozen", "batch_size"), [((0,), 1), ((0, 1), 5), ((0,), None)])
def test_a_frozen_base_gives_what_its_layers_give_at_each_step(backend, frozen, batch_size, rng, monkeypatch):
    X, y = small_data(rng)
    weights = np.linspace(0.5, 2.0, len(X))
    histories, networks = [], []
    for numbers in (2**27, 0):  # kept, and computed at each step
        monkeypatch.setattr("gpunet.training.frozen.NUMBERS", numbers)
        net = frozen_network(backend, *frozen, standardizer=gn.Standardizer())
        histories.append(
            net.fit(
                *(X, y),
                optimizer=OPTIMIZERS["adamw"],
                epochs=3,
                batch_size=batch_size,
                sample_weight=weights,
                validation_data=(X, y),
            )
        )
        networks.append(net)
    close(*networks, rtol=1e-4)
    kept, each = histories
    assert kept.loss == pytest.approx(each.loss, rel=1e-5)
    assert kept.val_loss == pytest.approx(each.val_loss, rel=1e-5)
    np.testing.assert_allclose(
        host_of(backend, networks[0].predict(X)), host_of(backend, networks[1].predict(X)), rtol=1e-3
    )


def host_of(backend, array):
    return array if isinstance(array, np.ndarray) else backend.to_host(array)


@pytest.mark.parametrize(
    ("kept", "dropout", "calls"),
    [(True, None, 1), (False, None, 9), (True, 0, 9), (True, 1, 1)],
)
def test_how_often_a_frozen_layer_is_computed(kept, dropout, calls, rng, monkeypatch):
    """Once, unless that takes too much memory, or dropout changes its inputs from step to step."""
    X, y = small_data(rng)
    seen = []

    def forward(xp, Z):
        if Z.shape[1] != EXAMPLES:  # it is tried out with so few before the run
            seen.append(Z.shape)
        return xp.tanh(Z)

    counted = gn.Activation("counted", forward, lambda xp, dA, Z, A: dA * (1.0 - A * A))
    layers = [gn.Dense(5, counted, trainable=False), gn.Dense(K, "softmax")]
    if dropout is not None:
        layers.insert(dropout, gn.Dropout(0.3))
    if not kept:
        monkeypatch.setattr("gpunet.training.frozen.NUMBERS", 0)
    net = gn.Network(layers, inputs=N, seed=0, backend="numpy")
    before = host(net)
    net.fit(X, y, epochs=3, batch_size=4)
    assert len(seen) == calls
    assert np.array_equal(host(net)[0], before[0])
    assert not np.array_equal(host(net)[2], before[2])


def test_layers_that_are_no_wider_than_the_inputs_are_always_kept(rng, monkeypatch):
    monkeypatch.setattr("gpunet.training.frozen.NUMBERS", 0)
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    X, y = small_data(rng)
    for units, program in ((N, "numpy blocked SGD"), (N + 1, "reference")):
        net = network("numpy", gn.Dense(units, "relu", trainable=False), gn.Dense(K, "softmax"))
        history = net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=1)
        assert history.program == program


@pytest.mark.slow
def test_compiled_programs_train_above_a_frozen_base(rng):
    pytest.importorskip("numba")
    X = rng.normal(size=(6000, 40)).astype("float32")
    y = rng.integers(0, 3, 6000)
    layers = gn.Dense(200, "relu"), gn.Dense(100, "relu"), gn.Dense(3, "softmax")
    net = frozen_network("numpy", 0, layers=layers, inputs=40)
    before = host(net)
    history = net.fit(X, y, epochs=2, batch_size=64)
    assert history.program == "compiled mini-batch"
    assert np.array_equal(host(net)[0], before[0])
    between = frozen_network("numpy", 1, layers=layers, inputs=40)
    history = between.fit(X, y, epochs=1, batch_size=64)
    assert history.program == "reference"
    assert "frozen layers have no compiled form" in history.reason


def test_a_divergence_above_a_frozen_base(rng):
    X, y = small_data(rng)
    net = frozen_network("numpy", 0, layers=(gn.Dense(5, "relu"), gn.Dense(5, "relu"), gn.Dense(1)))
    before = host(net)
    with pytest.raises(gn.Diverged):
        net.fit(X, y, optimizer=gn.GradientDescent(1e9), epochs=30, batch_size=4)
    assert np.array_equal(host(net)[0], before[0])
    assert all(np.isfinite(p).all() for p in host(net))


def test_gradients_are_those_of_all_layers(backend, rng):
    X, y = small_data(rng)
    J, found = frozen_network(backend, 0, 2).gradients(X, y)
    J_all, every = network(backend, *LAYERS).gradients(X, y)
    assert J_all == J
    for pair, other in zip(found, every, strict=True):
        for a, b in zip(pair, other, strict=True):
            assert np.array_equal(backend.to_host(a), backend.to_host(b))


def test_files_keep_what_is_frozen(tmp_path, rng):
    X, y = small_data(rng)
    net = frozen_network("numpy", 0, 1)
    net.save(tmp_path / "net.safetensors")
    again = gn.load(tmp_path / "net.safetensors", backend="numpy")
    assert [layer.trainable for layer in again.layers] == [False, False, True]
    for one in (net, again):
        one.fit(X, y, epochs=2)
    assert same(net, again)
    # Without frozen layers a file is that of earlier versions, and theirs have none.
    network("numpy").save(tmp_path / "old.safetensors")
    assert b"trainable" not in (tmp_path / "old.safetensors").read_bytes()
    assert all(layer.trainable for layer in gn.load(tmp_path / "old.safetensors").layers)


def test_what_is_frozen_is_shown():
    net = frozen_network(
        "numpy", 0, layers=(gn.Dense(5, "leaky_relu"), gn.Dropout(0.2), gn.Dense(4, "softmax"))
    )
    assert "\n1 leaky_relu, frozen          (5, m)" in net.summary()
    assert "\n2 softmax                     (4, m)" in net.summary()
    assert "leaky_relu, frozen" in net._repr_html_()
    assert repr(net) == "<Network 3-5-4, layer 1 frozen, cross_entropy, numpy, float32>"
    net.set_trainable(False)
    assert "layers 1, 2 frozen" in repr(net)
    net.set_trainable(True)
    assert repr(net) == "<Network 3-5-4, cross_entropy, numpy, float32>"


def test_nothing_to_train(rng):
    X, y = small_data(rng)
    net = network("numpy", standardizer=gn.Standardizer())
    net.set_trainable(False)
    with pytest.raises(
        ValueError, match=r"all layers are frozen, so there is nothing to train: .*set_trainable"
    ):
        net.fit(X, y)
    assert not net.standardizer.fitted
    assert net.epochs_trained == 0


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ([True], ValueError, "2 entries, one for each Dense layer; got 1"),
        ([True] * 3, ValueError, "got 3"),
        ([True, 1], TypeError, "trainable must be True or False, got 1"),
        ([True, None], TypeError, "got None"),
        ("no", TypeError, "got 'no'"),
        (None, TypeError, "True, False or a list of these, got None"),
    ],
)
def test_what_is_no_choice(given, error, said):
    net = network("numpy")
    layers = net.layers
    with pytest.raises(error, match=said):
        net.set_trainable(given)
    assert net.layers == layers
    if not isinstance(given, list):
        with pytest.raises(TypeError, match="trainable must be True or False"):
            gn.Dense(3, trainable=given)
