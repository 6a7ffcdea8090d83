"""What a network does, through its public names alone, on every backend."""

import copy
import pickle

import numpy as np
import pytest

import gpunet as gn

M, N, K = 12, 3, 4


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, N)).astype("float32"), np.arange(M) % K


def network(backend, *layers, inputs=N, **more):
    layers = layers or (gn.Dense(5, "tanh"), gn.Dense(K, "softmax"))
    name = backend if isinstance(backend, str) else backend.name
    return gn.Network(list(layers), inputs=inputs, backend=name, **({"seed": 0} | more))


def host(net):
    fetch = net.placement.backend.to_host
    return [np.array(fetch(p)) for pair in net.parameters for p in pair]


def same(net, other):
    return all(np.array_equal(a, b) for a, b in zip(host(net), host(other), strict=True))


def close(net, other, rtol=1e-4):
    for a, b in zip(host(net), host(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5)


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


def test_history(backend, data):
    X, y = data
    history = network(backend).fit(X, y, epochs=3, batch_size=5, validation_data=(X[:4], y[:4]))
    assert history.epochs == 3
    for figures in (
        history.loss,
        history.val_loss,
        history.val_accuracy,
        history.seconds,
        history.learning_rate,
        history.examples_per_second,
    ):
        assert len(figures) == 3
        assert all(type(figure) is float for figure in figures)
    assert (history.examples, history.backend, history.stopped) == (M, backend.name, "")
    assert history.device in backend.devices()
    assert history.program
    assert history.reason


def test_five_epochs_twice_are_ten(backend, data):
    X, y = data
    layers = (gn.Dense(5, "tanh"), gn.Dropout(0.2), gn.Dense(K, "softmax"))
    once, twice = network(backend, *layers), network(backend, *layers)
    whole = once.fit(X, y, optimizer=gn.Adam(0.01), epochs=10, batch_size=5).loss
    halves = [
        loss
        for _ in range(2)
        for loss in twice.fit(X, y, optimizer=gn.Adam(0.01), epochs=5, batch_size=5).loss
    ]
    assert whole == halves
    assert same(once, twice)
    assert once.epochs_trained == twice.epochs_trained == 10


def test_another_optimizer_starts_afresh(backend, data):
    X, y = data
    net = network(backend)
    net.fit(X, y, optimizer=gn.Adam(0.01), epochs=1, batch_size=None)
    other = network(backend)
    other.set_parameters(net.parameters)
    for one in (net, other):
        one.fit(X, y, optimizer=gn.RMSprop(0.01), epochs=1, batch_size=None)
    close(net, other)


def test_seeds(backend, data):
    X, y = data
    one, two, three = network(backend), network(backend), network(backend, seed=1)
    assert same(one, two)
    assert not same(one, three)
    for net in (one, two):
        net.fit(X, y, epochs=1, batch_size=5)
    assert same(one, two)
    assert gn.Network([gn.Dense(1)]).seed != gn.Network([gn.Dense(1)]).seed


def test_order_of_examples(data):
    """Without shuffling the order is that of the rows; with it, every epoch has another."""
    X, y = data
    still, shuffled = network("numpy"), network("numpy")
    still.fit(X, y, epochs=1, batch_size=1, shuffle=False)
    shuffled.fit(X, y, epochs=1, batch_size=1)
    by_hand = network("numpy")
    for i in range(M):
        _, gradients = by_hand.gradients(X[i : i + 1], y[i : i + 1])
        by_hand.set_parameters(
            [
                (W - 0.1 * dW, b - 0.1 * db)
                for (W, b), (dW, db) in zip(by_hand.parameters, gradients, strict=True)
            ]
        )
    close(still, by_hand)
    assert not same(still, shuffled)


def test_images_are_flattened(backend, rng):
    images = rng.integers(0, 256, (M, 2, 3, 2)).astype("uint8")
    flat = images.reshape(M, 12)
    net = network(backend, gn.Dense(K, "softmax"), inputs=None)
    net.fit(images, np.arange(M) % K, epochs=1, batch_size=None, optimizer=gn.GradientDescent(1e-4))
    assert net.inputs == 12
    assert np.array_equal(net.predict(images), net.predict(flat))
    assert np.array_equal(net.predict(flat), net.predict(flat.astype("float64")))


def test_all_forms_of_class_targets_are_one(backend, data):
    X, y = data
    net = network(backend)
    wanted = net.evaluate(X, y)
    for form in (
        y.tolist(),
        y.astype("uint8"),
        y.astype("float64"),
        y.astype(">i4"),
        np.eye(K)[y],
        np.eye(K, dtype="uint8")[y],
        np.eye(K)[y].tolist(),
        np.eye(K, dtype=bool)[y],
    ):
        assert net.evaluate(X, form) == wanted
    assert network(backend, gn.Dense(2, "softmax")).evaluate(X, y > 1)["accuracy"] <= 1


def test_all_forms_of_one_output_are_one(backend, data):
    X, y = data
    net = network(backend, gn.Dense(1, "sigmoid"))
    wanted = net.evaluate(X, (y > 1).astype("float32"))
    for form in (y > 1, (y > 1)[:, None], (y > 1).astype("uint8"), (y > 1).tolist()):
        assert net.evaluate(X, form) == wanted
    real = network(backend, gn.Dense(1))
    assert real.evaluate(X, y).keys() == {"loss"}
    assert real.evaluate(X, y.astype("float64")[:, None]) == real.evaluate(X, y)


def test_several_labels_at_once(backend, data, rng):
    X, _ = data
    Y = rng.integers(0, 2, (M, 3))
    net = network(backend, gn.Dense(3, "sigmoid"))
    right = (net.predict(X) > 0.5) == (Y > 0.5)
    assert net.evaluate(X, Y)["accuracy"] == pytest.approx(right.mean())
    first, second = net.fit(X, Y, epochs=2, batch_size=None).loss
    assert second < first


def test_all_forms_of_features_are_one(backend, data):
    X, y = data
    net = network(backend)
    wanted = net.predict(X)
    for form in (
        X.tolist(),
        X.astype("float64"),
        X.astype(">f4"),
        np.asfortranarray(X),
        np.c_[X, X][:, :N],
        X[::-1][::-1],
    ):
        np.testing.assert_allclose(net.predict(form), wanted, rtol=1e-6)
    whole = np.round(X * 10)
    for kind in ("int8", "int16", ">i4", "int64"):
        np.testing.assert_allclose(net.predict(whole.astype(kind)), net.predict(whole), rtol=1e-6)
    frozen = X.copy()
    frozen.flags.writeable = False
    net.fit(frozen, y, epochs=1, batch_size=None)


def test_callers_arrays_are_never_changed(backend, data):
    X, y = data
    before = X.copy(), y.copy()
    net = network(backend, standardizer=gn.Standardizer())
    net.fit(X, y, epochs=1, batch_size=None)
    own = net.placement.to_device(X)
    net.predict(own)
    net.evaluate(own, net.placement.to_device(y))
    assert np.array_equal(net.placement.backend.to_host(own), X)
    assert np.array_equal(before[0], X)
    assert np.array_equal(before[1], y)


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
    net.fit(X, y, epochs=1, batch_size=None)
    assert all(p.dtype == np.float64 for p in host(net))


def test_float32_stays_float32(backend, data):
    X, y = data
    net = network(backend, standardizer=gn.Standardizer())
    net.fit(
        X.astype("float64"), y, epochs=1, batch_size=None, sample_weight=np.ones(M), class_weight={1: 2.0}
    )
    assert all(p.dtype == np.float32 for p in host(net))
    assert net.predict(X.astype("float64")).dtype == np.float32


def test_sample_weights_are_repeated_examples(backend, data):
    X, y = data
    times = np.arange(M) % 3
    J, gradients = network(backend).gradients(X, y, sample_weight=times)
    J2, repeated = network(backend).gradients(np.repeat(X, times, axis=0), np.repeat(y, times))
    scale = times.sum() / M
    assert pytest.approx(J2 * scale, rel=1e-5) == J
    fetch = backend.to_host
    for pair, other in zip(gradients, repeated, strict=True):
        for a, b in zip(pair, other, strict=True):
            np.testing.assert_allclose(fetch(a), fetch(b) * scale, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_class_weights_are_sample_weights(backend, data, output):
    X, y = data
    units, y = (K, y) if output == "softmax" else (1, y > 1)
    per_class = {0: 0.5, 1: 3.0}
    by_sample = np.array([per_class.get(int(c), 1.0) for c in y])
    one, two = (network(backend, gn.Dense(units, output)) for _ in range(2))
    h1 = one.fit(X, y, epochs=2, batch_size=5, class_weight=per_class)
    h2 = two.fit(X, y, epochs=2, batch_size=5, sample_weight=by_sample)
    assert h1.loss == pytest.approx(h2.loss, rel=1e-5)
    close(one, two)
    listed = [per_class.get(c, 1.0) for c in range(max(units, 2))]
    three = network(backend, gn.Dense(units, output))
    three.fit(X, y, epochs=2, batch_size=5, class_weight=listed)
    assert same(one, three)


def test_sample_and_class_weights_multiply(backend, data):
    X, y = data
    mine = np.linspace(0.5, 2, M)
    one, two = network(backend), network(backend)
    one.fit(X, y, epochs=1, batch_size=None, class_weight={1: 3.0}, sample_weight=mine)
    two.fit(X, y, epochs=1, batch_size=None, sample_weight=mine * np.where(y == 1, 3.0, 1.0))
    close(one, two)


def test_validation_fraction(backend, data):
    X, y = data
    net = network(backend)
    history = net.fit(X, y, epochs=2, batch_size=None, validation_fraction=0.25)
    assert history.examples == 9
    assert len(history.val_loss) == 2
    again = network(backend).fit(X, y, epochs=2, batch_size=None, validation_fraction=0.25)
    assert again.val_loss == history.val_loss


def test_weights_travel_with_their_examples_into_the_training_part(data):
    """Weight 0 for the wrongly labelled: they teach nothing, wherever the split puts them."""
    X, y = data
    right, wrong = network("numpy"), network("numpy")
    spoilt = y.copy()
    spoilt[::2] = (spoilt[::2] + 1) % K
    weights = np.arange(M) % 2
    right.fit(X, y, epochs=2, batch_size=4, validation_fraction=0.25, sample_weight=weights)
    wrong.fit(X, spoilt, epochs=2, batch_size=4, validation_fraction=0.25, sample_weight=weights)
    close(right, wrong, rtol=1e-6)


def test_standardizer_is_fitted_to_training_rows_alone(backend, rng):
    X = (rng.normal(size=(M, N)) * [1, 10, 100] + [5, -50, 0]).astype("float32")
    X[:, 0] = 3.0  # a constant feature
    y = np.arange(M) % K
    net = network(backend, standardizer=gn.Standardizer())
    plain = network(backend)
    history = net.fit(X[:8], y[:8], epochs=2, batch_size=None, validation_data=(X[8:], y[8:]))
    mean, deviation = X[:8].mean(axis=0), X[:8].std(axis=0)
    deviation[0] = 1.0
    np.testing.assert_allclose(net.standardizer.mean, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(net.standardizer.deviation, deviation, rtol=1e-4)
    by_hand = ((X - mean) / deviation).astype("float32")
    other = plain.fit(by_hand[:8], y[:8], epochs=2, batch_size=None, validation_data=(by_hand[8:], y[8:]))
    assert history.val_loss == pytest.approx(other.val_loss, rel=1e-4)
    np.testing.assert_allclose(net.predict(X), plain.predict(by_hand), rtol=1e-3, atol=1e-5)
    mean = net.standardizer.mean
    net.fit(X + 1, y, epochs=1, batch_size=None)  # a later fit keeps the first one's
    assert net.standardizer.mean is mean


def test_the_users_standardizer_is_left_alone(data):
    mine = gn.Standardizer("set")
    net = network("numpy", standardizer=mine)
    net.fit(*data, epochs=1, batch_size=None)
    assert mine.mean is None
    assert np.ptp(net.standardizer.mean) == 0


def test_before_the_first_fit(backend, data):
    X, y = data
    net = network(backend, inputs=None)
    with pytest.raises(ValueError, match="inputs"):
        _ = net.parameters
    with pytest.raises(ValueError, match="inputs"):
        net.save("never.safetensors")
    assert "?" in net.summary()
    assert "?" in repr(net)
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


def test_numpy_data_are_not_copied(rng):
    """A training set of half the memory can be fitted: float32 rows are used where they lie."""
    import tracemalloc

    X = rng.normal(size=(20_000, 100)).astype("float32")
    y = rng.integers(0, 2, 20_000)
    net = gn.Network([gn.Dense(4, "relu"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
    net.fit(X[:64], y[:64], epochs=1)  # imports happen here
    for shuffle in (True, False):
        tracemalloc.start()
        net.fit(X, y, epochs=1, batch_size=100, shuffle=shuffle)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < X.nbytes / 3


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


def test_tables(data):
    class Table:
        """What pandas and polars have in common."""

        def __init__(self, values):
            self.values = values
            self.shape = values.shape

        def to_numpy(self):
            return self.values

    X, y = data
    net = network("numpy")
    assert np.array_equal(net.predict(Table(X)), net.predict(X))
    assert net.evaluate(Table(X), Table(y)) == net.evaluate(X, y)
