"""The training loop: batches, order, repetition, and the same result on every backend (C18, C19)."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import core_checks as checks
import gpunet as gn
from gpunet.core.optimizers import clip
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.reference import Reference

ROOM = checks.room_of("gpunet")
M = 11  # examples; a prime, so that every batch size leaves a remainder


@pytest.fixture
def data(rng):
    return rng.standard_normal((M, 4)), rng.integers(3, size=M)


def network(backend="numpy", seed=3, layers=None, dtype="float64", **more):
    layers = layers or [gn.Dense(5, "tanh"), gn.Dense(3, "softmax")]
    return gn.Network(layers, inputs=4, seed=seed, backend=backend, dtype=dtype, **more)


def flat(net):
    """All parameters in one row, on the host."""
    to_host = gn.get_backend(net.backend).to_host
    return np.concatenate([to_host(p).ravel() for layer in net.parameters for p in layer])


# --- the loop -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 4, 10, 11, None])
def test_stochastic_mini_and_full_batch(data, batch_size):
    """``fit`` is: for each batch of the drawn order, ``gradients``, then ``W ← W − α dW`` (C19)."""
    X, y = data
    net, by_hand = network(), network()
    history = net.fit(X, y, optimizer=gn.GradientDescent(0.3), epochs=2, batch_size=batch_size)
    size = batch_size or M
    for epoch in range(2):
        order = np.random.default_rng([3, epoch]).permutation(M)
        total = 0.0
        for first in range(0, M, size):
            batch = order[first : first + size]
            J, gradients = by_hand.gradients(X[batch], y[batch])
            total += J * len(batch)
            by_hand.set_parameters(
                [
                    (W - 0.3 * dW, b - 0.3 * db)
                    for (W, b), (dW, db) in zip(by_hand.parameters, gradients, strict=True)
                ]
            )
        # The epoch's loss is a mean over examples: a short last batch counts for what it holds.
        assert history.loss[epoch] == pytest.approx(total / M, rel=1e-12)
    assert_allclose(flat(net), flat(by_hand), rtol=1e-11)


def test_without_shuffling_the_rows_are_taken_as_they_stand(data):
    X, y = data
    net, other = network(), network()
    net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=2, batch_size=4, shuffle=False)
    for _ in range(2):
        for first in range(0, M, 4):
            # One full batch of these rows is one update.
            other.fit(
                X[first : first + 4],
                y[first : first + 4],
                optimizer=gn.GradientDescent(0.1),
                epochs=1,
                batch_size=None,
            )
    assert_allclose(flat(net), flat(other), rtol=1e-11)


def test_drawing_the_next_epoch_ahead_changes_nothing(data, monkeypatch):
    """An asynchronous device works while the host draws; orders, rates and dropout stay those of each epoch."""
    X, y = data
    results = []
    for asynchronous in (False, True):
        monkeypatch.setattr(type(gn.get_backend("numpy")), "asynchronous", asynchronous)
        net = network(layers=[gn.Dense(5, "tanh"), gn.Dropout(0.4), gn.Dense(3, "softmax")])
        optimizer = gn.Adam(gn.Cosine(0.1), beta1=0.7)
        histories = [net.fit(X, y, optimizer=optimizer, epochs=n, batch_size=4) for n in (3, 1, 2)]
        results.append((flat(net), *(np.array([h.loss, h.learning_rate]) for h in histories)))
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)


def test_every_example_is_used_once_an_epoch(backend, rng):
    """Each example pulls at a weight of its own; a rate of 1 makes that visible."""
    X = np.eye(M)
    net = gn.Network(
        [gn.Dense(1, initializer="zeros")],
        loss="absolute_error",
        inputs=M,
        seed=0,
        backend=backend.name,
        dtype="float64",
    )
    net.fit(X, np.full(M, 50.0), optimizer=gn.GradientDescent(1.0), epochs=1, batch_size=4)
    pulls = backend.to_host(net.parameters[0][0])[0]
    # Batches of 4, 4 and 3: eight examples pull with 1/4, three with 1/3.
    assert_allclose(np.sort(pulls), [0.25] * 8 + [1 / 3] * 3, rtol=1e-12)


def test_plan_counts_its_batches():
    for m in range(1, 14):
        for size in range(1, m + 1):
            plan = checks.small_plan(ROOM, gn.GradientDescent(), m, size)
            bounds = plan.batches()
            assert len(bounds) == plan.steps == int(np.ceil(m / size))
            assert [i for first, last in bounds for i in range(first, last)] == list(range(m))
            assert all(last - first == size for first, last in bounds[:-1])


# --- seeds and order ----------------------------------------------------------------------------


def epochs_of(backend, monkeypatch, seed):
    """Orders and dropout keys of two epochs, as handed to a program of the backend."""
    seen = []

    def program_for(plan, device):
        class Spy(Program):
            name = "spy"

            def __call__(self, state, inputs):
                read = (inputs.order, inputs.dropout_keys)
                seen.append([None if a is None else backend.to_host(a).copy() for a in read])
                return state, backend.from_host(np.zeros(plan.steps), device)

        return Spy(plan), "a test"

    monkeypatch.setattr(backend, "program_for", program_for)
    net = network(backend.name, seed, [gn.Dense(5, "tanh"), gn.Dropout(0.5), gn.Dense(3, "softmax")])
    history = net.fit(
        np.eye(M)[:, :4], np.arange(M) % 3, optimizer=gn.GradientDescent(0.1), epochs=2, batch_size=4
    )
    assert history.program == "spy"
    return seen


def test_order_and_keys_are_identical_on_every_backend(backend, monkeypatch):
    here = epochs_of(gn.get_backend("numpy"), monkeypatch, 3)
    there = epochs_of(backend, monkeypatch, 3)
    for epoch in range(2):
        assert_array_equal(there[epoch][0], here[epoch][0])
        assert_array_equal(there[epoch][1], here[epoch][1])
        assert_array_equal(there[epoch][0], np.random.default_rng([3, epoch]).permutation(M))


def test_order_and_keys_change_with_epoch_and_seed(monkeypatch):
    numpy = gn.get_backend("numpy")
    runs = [epoch for seed in range(3) for epoch in epochs_of(numpy, monkeypatch, seed)]
    orders = {tuple(order) for order, _ in runs}
    assert len(orders) == 6
    assert all(sorted(order) == list(range(M)) for order in orders)
    # One key for each step and layer: 3 seeds, 2 epochs, 3 steps, 2 layers, all different.
    assert len({int(key) for _, keys in runs for key in keys.ravel()}) == 36


def test_the_same_seed_gives_the_same_bits(data):
    X, y = data

    def run(seed):
        net = network(seed=seed, layers=[gn.Dense(5, "relu"), gn.Dropout(0.2), gn.Dense(3, "softmax")])
        history = net.fit(X, y, optimizer=gn.Adam(0.01), epochs=3, batch_size=4)
        return history.loss, flat(net)

    assert run(1)[0] == run(1)[0]
    assert_array_equal(run(1)[1], run(1)[1])
    assert run(1)[0] != run(2)[0]


@pytest.mark.parametrize(
    "optimizer", [gn.GradientDescent(0.1, momentum=0.9), gn.Adam(0.01), gn.RMSprop(0.01)], ids=str
)
def test_five_and_five_epochs_are_ten(data, optimizer):
    X, y = data
    layers = [gn.Dense(5, "tanh"), gn.Dropout(0.3), gn.Dense(3, "softmax")]
    once, twice = network(layers=layers), network(layers=layers)
    losses = once.fit(X, y, optimizer=optimizer, epochs=10, batch_size=4).loss
    parts = [twice.fit(X, y, optimizer=optimizer, epochs=5, batch_size=4).loss for _ in range(2)]
    assert losses == parts[0] + parts[1]
    assert_array_equal(flat(once), flat(twice))
    assert once.epochs_trained == twice.epochs_trained == 10


def test_another_optimizer_starts_afresh(data):
    """Momentum of an earlier run does not leak into a run with another rule."""
    X, y = data
    net = network()
    net.fit(X, y, optimizer=gn.GradientDescent(0.1, momentum=0.9), epochs=2, batch_size=4)
    same_weights = network()
    same_weights.set_parameters(net.parameters)
    same_weights.epochs_trained = net.epochs_trained
    for one in (net, same_weights):
        one.fit(X, y, optimizer=gn.GradientDescent(0.2, momentum=0.9), epochs=1, batch_size=4)
    assert_array_equal(flat(net), flat(same_weights))


# --- every backend ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "batch_size", "weighted"),
    [
        (gn.GradientDescent(0.3, momentum=0.9, nesterov=True, weight_decay=0.01), 1, False),
        (gn.Adam(gn.Cosine(0.05, warmup=0.2), clip_norm=0.5), 4, True),
        (gn.RMSprop(0.01, weight_decay=0.01), None, True),
    ],
    ids=["stochastic", "mini-batch", "full batch"],
)
def test_every_backend_agrees_with_numpy(backend, data, optimizer, batch_size, weighted):
    X, y = data
    weights = np.random.default_rng(8).uniform(0.0, 2.0, M) if weighted else None
    layers = [gn.Dense(5, "gelu"), gn.Dropout(0.25), gn.Dense(4, "sigmoid"), gn.Dense(3, "softmax")]

    def trained(name):
        net = network(name, layers=layers)
        history = net.fit(X, y, optimizer=optimizer, epochs=3, batch_size=batch_size, sample_weight=weights)
        return history.loss, flat(net)

    (losses, parameters), (true_losses, true_parameters) = trained(backend.name), trained("numpy")
    assert losses == pytest.approx(true_losses, rel=1e-11)
    assert_allclose(parameters, true_parameters, rtol=1e-9, atol=1e-12)


def test_weights_are_never_changed_in_place(backend, rng):
    """The arrays handed to the reference hold the same numbers afterwards."""
    device = backend.devices()[0]

    def to_device(array):
        return backend.from_host(array, device)

    plan = checks.small_plan(ROOM, gn.GradientDescent(0.1, momentum=0.9, weight_decay=0.1))
    host = [rng.standard_normal(shape) for shape in [(3, 3), (3, 1)] * 4 + [(3, 7), (3, 7)]]
    given = [to_device(a.copy()) for a in host]
    parameters = [tuple(given[0:2]), tuple(given[2:4])]
    slots = [((given[4],), (given[5],)), ((given[6],), (given[7],))]
    order = to_device(np.random.default_rng(1).permutation(7).astype(np.int32))
    inputs = EpochInputs(given[8], given[9], None, order, to_device(np.full((3, 1), 0.1)), None)
    program = Reference(backend.namespace(), plan)
    (new, new_slots), losses = program(TrainState(parameters, slots), inputs)
    for before, after in zip(host, given, strict=True):
        assert_array_equal(backend.to_host(after), before)
    for l in range(2):
        assert np.abs(backend.to_host(new[l][0]) - host[2 * l]).max() > 1e-3
        assert np.abs(backend.to_host(new_slots[l][0][0]) - host[4 + 2 * l]).max() > 1e-3
    assert losses.shape == (3,)


def test_fit_leaves_the_callers_arrays_alone(backend, data):
    X, y = data
    device = backend.devices()[0]
    own_X, own_y = backend.from_host(X.copy(), device), backend.from_host(y.copy(), device)
    net = network(backend.name)
    start = net.parameters
    kept = [[backend.to_host(p).copy() for p in layer] for layer in start]
    net.fit(own_X, own_y, optimizer=gn.GradientDescent(0.1), epochs=2, batch_size=4)
    assert_array_equal(backend.to_host(own_X), X)
    assert_array_equal(backend.to_host(own_y), y)
    for layer, before in zip(start, kept, strict=True):
        for p, q in zip(layer, before, strict=True):
            assert_array_equal(backend.to_host(p), q)


def test_clip_is_applied_before_the_rule(data):
    """One full-batch step of the front is: gradients, clip, step."""
    X, y = data
    net = network()
    _, gradients = net.gradients(X, y)
    true = [
        (W - 0.5 * dW, b - 0.5 * db)
        for (W, b), (dW, db) in zip(net.parameters, clip(np, gradients, 0.01), strict=True)
    ]
    net.fit(X, y, optimizer=gn.GradientDescent(0.5, clip_norm=0.01), epochs=1, batch_size=None)
    for pair, want in zip(net.parameters, true, strict=True):
        for p, q in zip(pair, want, strict=True):
            assert_allclose(p, q, rtol=1e-12)


# --- any shape, any dtype -----------------------------------------------------------------------

SOME = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
HIDDEN = sorted(ROOM.activations.ACTIVATIONS)


@st.composite
def cases(draw):
    """Sizes, activations, loss, m, batch size and dtype of a run."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    loss = draw(st.sampled_from(sorted(ROOM.losses.LOSSES)))
    output = draw(st.sampled_from(checks.outputs_of(ROOM, loss)))
    if output == "softmax":
        sizes[-1] = max(sizes[-1], 2)
    hidden = draw(st.lists(st.sampled_from(HIDDEN), min_size=len(sizes) - 2, max_size=len(sizes) - 2))
    hidden = ["tanh" if g == "softmax" and n == 1 else g for g, n in zip(hidden, sizes[1:-1], strict=True)]
    m = draw(st.integers(1, 9))
    size = draw(st.none() | st.integers(1, m))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return sizes, [*hidden, output], loss, m, size, dtype


@pytest.mark.parametrize("name", ["numpy", "readonly", "strict", "torch"])
@SOME
@given(case=cases())
def test_shapes_and_dtypes_from_end_to_end(name, case):
    try:
        backend = gn.get_backend(name)
    except gn.BackendUnavailable as error:
        pytest.skip(str(error))
    sizes, activations, loss, m, size, dtype = case
    rng = np.random.default_rng(sum(sizes) + m)
    X = rng.standard_normal((m, sizes[0])).astype(dtype)
    Y = (
        np.eye(sizes[-1])[rng.integers(sizes[-1], size=m)]
        if activations[-1] == "softmax"
        else rng.uniform(0.1, 0.9, (m, sizes[-1]))
    ).astype(dtype)
    layers = [gn.Dense(n, g) for n, g in zip(sizes[1:], activations, strict=True)]
    net = gn.Network(layers, loss=loss, seed=0, backend=name, dtype=dtype)
    history = net.fit(X, Y, optimizer=gn.Adam(1e-3), epochs=2, batch_size=size)

    assert len(history.loss) == 2
    assert np.isfinite(history.loss).all()
    A = net.predict(X)
    assert type(A) is np.ndarray  # what came in
    assert A.shape == (m, sizes[-1])
    assert A.dtype == dtype
    J, gradients = net.gradients(X, Y)
    assert type(J) is float
    assert pytest.approx(net.evaluate(X, Y)["loss"], rel=1e-5) == J
    for l, ((W, b), (dW, db)) in enumerate(zip(net.parameters, gradients, strict=True)):
        for theta, g, shape in ((W, dW, (sizes[l + 1], sizes[l])), (b, db, (sizes[l + 1], 1))):
            assert theta.shape == g.shape == shape
            assert backend.to_host(theta).dtype == backend.to_host(g).dtype == dtype


@SOME
@given(case=cases())
def test_batch_gradient_is_the_mean_of_single_ones(case):
    """Whatever the network: a batch's cost and gradients are means over its examples (C7, C8)."""
    sizes, activations, loss, m, _, _ = case
    rng = np.random.default_rng(m)
    X = rng.standard_normal((m, sizes[0]))
    Y = rng.dirichlet(np.ones(sizes[-1]), m) if sizes[-1] > 1 else rng.uniform(0.1, 0.9, (m, 1))
    layers = [gn.Dense(n, g) for n, g in zip(sizes[1:], activations, strict=True)]
    net = gn.Network(layers, loss=loss, inputs=sizes[0], seed=0, backend="numpy", dtype="float64")
    J, gradients = net.gradients(X, Y)
    single = [net.gradients(X[i : i + 1], Y[i : i + 1]) for i in range(m)]
    assert pytest.approx(np.mean([j for j, _ in single]), rel=1e-10) == J
    for l, pair in enumerate(gradients):
        for k, g in enumerate(pair):
            assert_allclose(g, np.mean([gs[l][k] for _, gs in single], axis=0), rtol=1e-8, atol=1e-12)
