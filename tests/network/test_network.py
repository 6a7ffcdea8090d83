"""What a network does, through its public names alone, on every backend."""

import copy
import pickle

import numpy as np
import pytest

import gpunet as gn
from small_networks import K, M, host, network, same, small_data


@pytest.fixture
def data(rng):
    return small_data(rng)


def test_shapes_and_kinds_of_everything(backend, data):
    X, y = data
    net = network(backend)
    assert [(W.shape, b.shape) for W, b in net.parameters] == [((5, 3), (5, 1)), ((4, 5), (4, 1))]
    J, gradients = net.gradients(X, y)
    assert type(J) is float
    assert [(W.shape, b.shape) for W, b in gradients] == [((5, 3), (5, 1)), ((4, 5), (4, 1))]
    measured = net.evaluate(X, y)
    assert measured.keys() == {"loss", "accuracy"}
    assert measured["loss"] == pytest.approx(J, rel=1e-6)
    A = net.predict(X)
    assert type(A) is np.ndarray
    assert (A.shape, A.dtype) == ((M, K), np.float32)
    np.testing.assert_allclose(A.sum(axis=1), 1, rtol=1e-5)
    assert measured["accuracy"] == pytest.approx(np.mean(A.argmax(axis=1) == y))
    assert all(net.placement.backend.owns(p) for pair in net.parameters for p in pair)


def test_several_labels_at_once(backend, data, rng):
    X, _ = data
    Y = rng.integers(0, 2, (M, 3))
    net = network(backend, gn.Dense(3, "sigmoid"))
    right = (net.predict(X) > 0.5) == (Y > 0.5)
    assert net.evaluate(X, Y)["accuracy"] == pytest.approx(right.mean())
    first, second = net.fit(X, Y, optimizer=gn.GradientDescent(0.1), epochs=2, batch_size=None).loss
    assert second < first


def test_parameters_are_copies(backend, data):
    net = network(backend)
    before = host(net)
    given = [(np.array(W), np.array(b)) for W, b in zip(before[::2], before[1::2], strict=True)]
    net.set_parameters(given)
    given[0][0][:] = 7
    assert all(np.array_equal(a, b) for a, b in zip(before, host(net), strict=True))
    if backend.name in ("numpy", "torch"):
        net.parameters[0][0][:] = 7
        assert all(np.array_equal(a, b) for a, b in zip(before, host(net), strict=True))


def test_float64(backend, data):
    X, y = data
    net = network(backend, dtype="float64")
    assert all(p.dtype == np.float64 for p in host(net))
    assert net.predict(X).dtype == np.float64
    net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=None)
    assert all(p.dtype == np.float64 for p in host(net))


def test_before_the_first_fit(backend, data):
    X, y = data
    net = network(backend, inputs=None)
    with pytest.raises(ValueError, match="inputs"):
        _ = net.parameters
    with pytest.raises(ValueError, match="inputs"):
        net.save("never.safetensors")
    assert "?" in net.summary()
    assert "?" in repr(net)
    with pytest.raises(ValueError, match="the network has no weights yet: fit it, or give Network inputs="):
        net.predict(X)
    known = network(backend)
    assert 0 <= known.evaluate(X, y)["accuracy"] <= 1
    assert known.predict(X).shape == (M, K)
    assert net.evaluate(X, y) == known.evaluate(X, y)  # the first data decide


@pytest.mark.parametrize("inputs", [None, 784])
def test_summary_is_a_narrow_table(inputs):
    layers = [
        gn.Dense(10_000, "leaky_relu"),
        gn.Dropout(0.25),
        gn.Dense(10_000, "softplus"),
        gn.Dense(10, "softmax"),
    ]
    net = gn.Network(layers, inputs=inputs, backend="numpy")
    table = net.summary()
    assert str(net) == table
    assert max(map(len, table.splitlines())) <= 80
    for fact in (
        "dropout 0.25",
        "(10000, 10000)",
        "100,010,000",
        "softmax",
        "cross_entropy",
        "float32",
        "numpy",
    ):
        assert fact in table
    assert ("107,960,010" if inputs else "?") in table.splitlines()[-1]


def test_messages_name_the_argument(tmp_path):
    net = network("numpy")
    with pytest.raises(TypeError, match=r"^encoder must be an object"):
        gn.Network([gn.Dense(1)], encoder=gn.TableEncoder, backend="numpy")
    with pytest.raises(TypeError, match=r"^training_state must be True or False"):
        net.save(tmp_path / "net", training_state="no")
    with pytest.raises(TypeError, match=r"^logits must be True or False"):
        net.to_torch(logits=1)


def test_a_copy_has_a_forward_pass_of_its_own(data):
    net = network("numpy")
    net.predict(data[0])
    for twin in (copy.copy(net), pickle.loads(pickle.dumps(net))):
        assert vars(twin).keys() == vars(net).keys()
        assert twin._forward is not net._forward


def test_copies_and_pickles_are_whole_and_apart(backend, data):
    X, y = data
    net = network(backend, standardizer=gn.Standardizer())
    net.fit(X, y, optimizer=gn.Adam(0.01), epochs=1, batch_size=None)
    twins = [pickle.loads(pickle.dumps(net))]
    if backend.name != "readonly":  # a copy of such an array can't be filled
        twins.append(copy.deepcopy(net))
    before = host(net)
    for twin in twins:
        assert twin.placement.backend is net.placement.backend
        assert same(net, twin)
        twin.fit(X, y, optimizer=gn.Adam(0.01), epochs=1, batch_size=None)
    assert all(np.array_equal(a, b) for a, b in zip(before, host(net), strict=True))
    net.fit(X, y, optimizer=gn.Adam(0.01), epochs=1, batch_size=None)
    for twin in twins:  # the optimizer's state came along
        assert same(net, twin)


def test_natural_losses():
    def loss(output, units=2):
        return gn.Network([gn.Dense(units, output)]).loss

    assert loss("softmax") == "cross_entropy"
    assert loss("sigmoid") == "logistic"
    assert loss("identity") == loss("relu") == loss("tanh") == "squared_error"


def test_big_predictions_come_in_pieces(backend, rng):
    from gpunet.training.evaluation import CHUNK

    X = rng.normal(size=(2 * CHUNK + 5, 2)).astype("float32")
    y = (X[:, 0] > 0).astype("int32")
    net = network(backend, gn.Dense(2, "softmax"), inputs=2)
    A = net.predict(X)
    assert A.shape == (len(X), 2)
    np.testing.assert_allclose(A[CHUNK - 2 : CHUNK + 2], net.predict(X[CHUNK - 2 : CHUNK + 2]), rtol=1e-5)
    measured = net.evaluate(X, y, sample_weight=np.ones(len(X)))
    assert measured["accuracy"] == pytest.approx(np.mean(A.argmax(axis=1) == y), abs=1e-6)
    picked = A[np.arange(len(X)), y]
    assert measured["loss"] == pytest.approx(-np.log(picked).mean(), rel=1e-4)
