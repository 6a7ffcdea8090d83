"""Transforms of training batches: the same run on every program, with changed examples."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import K, M, N, close, network, same, small_data
from transforms import as_it_is, drawn


@pytest.mark.parametrize("most", [2**24, 2 * 5, 1])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5, "sample_weight": np.linspace(0.5, 2, M)},
        {"batch_size": 5, "shuffle": False, "optimizer": gn.GradientDescent(gn.Cosine(0.5), 0.9)},
        {"batch_size": 1, "validation_fraction": 0.25},
        {"batch_size": None, "optimizer": gn.Adam(0.1)},
    ],
)
def test_a_transform_that_changes_nothing(backend, options, most, rng, chunks_of):
    """To the bit, however many batches are transformed at a time."""
    chunks_of(most)
    if backend.name == "jax" and most != 2 * 5:
        pytest.skip("compiling takes most of the time; one size will do")
    X, y = small_data(rng)
    layers = gn.Dropout(0.2), gn.Dense(5, "tanh"), gn.Dense(K, "softmax")
    one, two = (network(backend, *layers, standardizer=gn.Standardizer()) for _ in range(2))
    plain = one.fit(X, y, epochs=3, **options)
    changed = two.fit(X, y, epochs=3, transform=as_it_is, **options)
    if backend.name == "jax":  # a chunk of another length is compiled anew
        close(one, two, rtol=1e-5)
        return
    assert same(one, two)
    assert changed.loss == plain.loss
    assert changed.val_loss == plain.val_loss
    assert changed.program == plain.program


@pytest.mark.parametrize("most", [2**24, 2 * 5])
def test_examples_come_in_their_order_with_their_generator(backend, most, rng, chunks_of):
    chunks_of(most)
    X, y = small_data(rng)
    seen = []

    def recording(X, y, rng):
        seen.append((np.array(backend.to_host(X)), np.array(backend.to_host(y)), rng.random()))
        return X, y

    net = network(backend, seed=7)
    for epochs in (2, 1):  # going on is as if there had been no break
        net.fit(X, y, epochs=epochs, batch_size=5, transform=recording)
    steps = iter(seen)
    for epoch in range(3):
        order = np.random.default_rng([7, epoch]).permutation(M)
        for step, first in enumerate(range(0, M, 5)):
            batch = order[first : first + 5]
            found_X, found_y, number = next(steps)
            assert np.array_equal(found_X, X[batch])
            assert np.array_equal(found_y, np.eye(K)[y[batch]])
            assert number == drawn(7, epoch, step).random()
    assert next(steps, None) is None
    assert len({number for _, _, number in seen}) == len(seen)


def test_what_is_changed_is_what_is_learned(backend, rng):
    """Inputs and targets that a transform makes of others, beside a network that is given them at once."""
    X, y = small_data(rng)
    net, other = (network(backend, standardizer=gn.Standardizer()) for _ in range(2))
    net.fit(X, y, epochs=1, batch_size=4)
    other.fit(X, y, epochs=1, batch_size=4)
    Y = 0.75 * np.eye(K)[y] + 0.25 / K

    def change(X, y, rng):
        return 3.0 * X - 1.0, 0.75 * y + 0.25 / K

    net.fit(X, y, epochs=2, batch_size=4, transform=change)
    other.fit(3 * X - 1, Y, epochs=2, batch_size=4)
    close(net, other, rtol=1e-5)


def test_the_standardizer_comes_after_the_transform(backend, rng):
    """A fresh one is fitted to the rows as they were given."""
    X, y = small_data(rng)
    X = 40 * X + 5
    seen = []

    def double(X, rng):
        seen.append(float(np.max(backend.to_host(X))))
        return 2 * X

    net = network(backend, standardizer=gn.Standardizer())
    history = net.fit(
        X,
        y,
        epochs=1,
        batch_size=None,
        optimizer=gn.GradientDescent(0.1),
        transform=double,
        validation_data=(X, y),
    )
    assert max(seen) == pytest.approx(X.max())
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    np.testing.assert_allclose(net.standardizer.mean, mean, rtol=1e-4)
    twin = network(backend)
    by_hand = ((2 * X - mean) / deviation).astype("float32")
    expected = twin.fit(
        by_hand,
        y,
        epochs=1,
        batch_size=None,
        optimizer=gn.GradientDescent(0.1),
        validation_data=(((X - mean) / deviation).astype("float32"), y),
    )
    close(net, twin, rtol=1e-4)
    assert history.loss == pytest.approx(expected.loss, rel=1e-4)
    assert history.val_loss == pytest.approx(expected.val_loss, rel=1e-4)  # validation data are as they are


@pytest.mark.parametrize("held_out", [{"validation_fraction": 0.25}, {}])
def test_a_standardizer_that_is_fitted_already(rng, held_out):
    X, y = small_data(rng)
    nets = [network("numpy", standardizer=gn.Standardizer()) for _ in range(2)]
    histories = []
    for net, transform in zip(nets, (None, as_it_is), strict=True):
        net.fit(5 * X + 1, y, epochs=1)
        histories.append(net.fit(X, y, epochs=2, batch_size=4, transform=transform, **held_out))
    assert same(*nets)
    assert histories[0].val_loss == histories[1].val_loss


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2)])
def test_images_have_the_shape_that_they_were_given(backend, shape, as_list, rng):
    X = rng.normal(size=(M, *shape)).astype("float32")
    before, shapes = X.copy(), []

    def mirror(X, rng):
        shapes.append(tuple(X.shape))
        return backend.namespace().flip(X, axis=2)

    net, other = (network(backend, inputs=int(np.prod(shape))) for _ in range(2))
    y = np.arange(M) % K
    net.fit(X.tolist() if as_list else X, y, epochs=1, batch_size=5, transform=mirror)
    assert shapes == [(5, *shape), (5, *shape), (2, *shape)]
    other.fit(X[:, :, ::-1], y, epochs=1, batch_size=5)
    close(net, other, rtol=1e-5)
    assert np.array_equal(X, before)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [5, None])
def test_what_a_transform_writes_into_is_its_own(shuffle, batch_size, rng):
    X, y = small_data(rng)
    before = X.copy()

    def write(X, y, rng):
        X += 100.0
        y[:] = np.eye(K)[0]
        return X, y

    net = network("numpy")
    net.fit(X, y, epochs=2, batch_size=batch_size, shuffle=shuffle, transform=write)
    assert np.array_equal(X, before)


@pytest.mark.parametrize(
    "result",
    [
        lambda X: X.astype("float64"),
        lambda X: np.asarray(X).tolist(),
        lambda X: np.asarray(X),
    ],
)
def test_results_of_other_types_and_libraries(result, rng):
    torch = pytest.importorskip("torch")
    X, y = small_data(rng)
    net, other = (network("torch") for _ in range(2))
    seen = []

    def change(X, rng):
        seen.append(X)
        return result(X.numpy())

    net.fit(X, y, epochs=1, batch_size=5, transform=change)
    other.fit(X, y, epochs=1, batch_size=5)
    assert same(net, other)
    assert all(isinstance(X, torch.Tensor) and X.dtype == torch.float32 for X in seen)


def test_wide_numbers_stay_wide_until_they_are_standardised(rng):
    X = 1e9 + rng.normal(size=(M, N))
    kinds = set()

    def record(X, rng):
        kinds.add(str(X.dtype))
        return X

    one, two = (network("numpy", standardizer=gn.Standardizer()) for _ in range(2))
    one.fit(X, np.arange(M) % K, epochs=1, transform=record)
    two.fit(X, np.arange(M) % K, epochs=1)
    assert kinds == {"float64"}
    assert same(one, two)


def test_class_numbers_will_do_as_targets(rng):
    X, y = small_data(rng)
    one, two = (network("numpy") for _ in range(2))
    one.fit(X, y, epochs=2, batch_size=5, transform=lambda X, y, rng: (X, (y.argmax(axis=1) + 1) % K))
    two.fit(X, (y + 1) % K, epochs=2, batch_size=5)
    assert same(one, two)


def test_smoothed_labels_and_weights(rng):
    """Targets come smoothed, and each row keeps its weight."""
    X, y = small_data(rng)
    weights = np.linspace(0.5, 2.0, M)

    def check(X, y, rng):
        np.testing.assert_allclose(y.max(axis=1), 1 - 0.2 + 0.2 / K, rtol=1e-6)
        return X, y

    one, two = (network("numpy") for _ in range(2))
    options = {"epochs": 2, "batch_size": 5, "label_smoothing": 0.2, "sample_weight": weights}
    one.fit(X, y, transform=check, **options)
    two.fit(X, y, **options)
    assert same(one, two)


def test_beside_an_encoder_the_encoded_inputs_are_changed():
    rows = {"size": np.linspace(0, 1, 80), "kind": ["a", "b"] * 40, "y": ["u", "v"] * 40}
    table = gn.datasets.read_table(rows, target="y")
    shapes = set()

    def record(X, rng):
        shapes.add(X.shape)
        return X

    one, two = (gn.Network.for_table(table, hidden=(4,), seed=0, backend="numpy") for _ in range(2))
    one.fit(table, epochs=2, batch_size=40, transform=record)
    two.fit(table, epochs=2, batch_size=40)
    assert shapes == {(40, len(one.encoder.feature_names))}
    assert same(one, two)


@pytest.mark.parametrize("frozen", [1, 2])
def test_above_a_frozen_base(backend, frozen, rng):
    X, y = small_data(rng)
    layers = gn.Dense(5, "tanh"), gn.Dense(6, "relu"), gn.Dense(K, "softmax")
    net, other = (network(backend, *layers, standardizer=gn.Standardizer()) for _ in range(2))
    for one in (net, other):
        one.set_trainable([l >= frozen for l in range(3)])
        one.fit(X, y, epochs=1)
    net.fit(X, y, epochs=2, batch_size=5, transform=lambda X, rng: 0.5 * X)
    other.fit(0.5 * X, y, epochs=2, batch_size=5)
    close(net, other, rtol=1e-4)


def test_shifted_digits_are_learned_from_shifts():
    """What augmentation is for: few examples, and a test set with more variety than they have."""
    data = gn.datasets.digits()
    X, y = data.X.reshape(-1, 8, 8)[:300], data.y[:300]
    rng = np.random.default_rng(0)

    def shift(X, rng):
        rows, columns = (rng.integers(-1, 2, size=len(X)) for _ in range(2))
        return np.stack([np.roll(x, (r, c), (0, 1)) for x, r, c in zip(X, rows, columns, strict=True)])

    X_test = shift(data.X_test.reshape(-1, 8, 8), rng)
    accuracies = []
    for transform in (None, shift):
        net = gn.Network(
            [gn.Dense(64, "relu"), gn.Dense(10, "softmax")],
            seed=0,
            backend="numpy",
            standardizer=gn.Standardizer("set"),
        )
        net.fit(X, y, optimizer=gn.Adam(0.005), epochs=15, transform=transform)
        accuracies.append(net.evaluate(X_test, data.y_test)["accuracy"])
    assert accuracies[1] > accuracies[0] + 0.15
