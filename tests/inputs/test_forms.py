"""All forms of features, targets and weights, through the network's public names, on every backend."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import K, M, N, close, host, network, same, small_data


@pytest.fixture
def data(rng):
    return small_data(rng)


@pytest.mark.filterwarnings("ignore::gpunet.UnscaledInputs")
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


def test_float32_stays_float32(backend, data):
    X, y = data
    net = network(backend, standardizer=gn.Standardizer())
    net.fit(
        X.astype("float64"), y, epochs=1, batch_size=None, sample_weight=np.ones(M), class_weight={1: 2.0}
    )
    assert all(p.dtype == np.float32 for p in host(net))
    assert net.predict(X.astype("float64")).dtype == np.float32


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


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_balanced_classes_count_alike(backend, data, output):
    """Of the training part, not of the rows held out."""
    X, y = data
    y = np.where(y > 1, 0, y)
    units = K if output == "softmax" else 1
    held_out = {"validation_data": (X[:4], y[:4])}
    counts = np.bincount(y[4:], minlength=2)
    one, two = (network(backend, gn.Dense(units, output)) for _ in range(2))
    one.fit(X[4:], y[4:], epochs=1, batch_size=5, class_weight="balanced", **held_out)
    two.fit(X[4:], y[4:], epochs=1, batch_size=5, class_weight=dict(enumerate(8 / (2 * counts))))
    assert counts[0] != counts[1]
    close(one, two, rtol=1e-6)


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


def test_tensors_that_numpy_lacks():
    torch = pytest.importorskip("torch")
    X = torch.tensor([[0.5, 1.0], [2.0, -1.0]])
    net = gn.Network([gn.Dense(2, "softmax")], inputs=2, seed=0, backend="numpy")
    for given in (X.to(torch.bfloat16), X.requires_grad_()):
        np.testing.assert_array_equal(
            np.asarray(net.predict(given).float()), net.predict([[0.5, 1.0], [2.0, -1.0]])
        )
    with pytest.raises(TypeError, match=r"^X can't be made an array: .* requires grad"):
        net.predict([row for row in X])
