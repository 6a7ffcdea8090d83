"""The chunks in which an epoch is run have no influence on the result."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.program import Program
from gpunet.core.reference import Reference
from gpunet.training import feed
from random_plans import OPTIMIZERS

M = 23  # leaves a short last batch
RULES = {
    **OPTIMIZERS,
    "descent with a schedule": gn.GradientDescent(gn.Exponential(0.1, 0.5, every=3)),
    "RMSprop with a schedule": gn.RMSprop(gn.InverseTime(0.02, half_life=4)),
    "clipped": gn.Adam(gn.Cosine(0.02, warmup=0.3), clip_norm=0.1),
}


@pytest.fixture
def data():
    rng = np.random.default_rng(4)
    return rng.standard_normal((M, 4)), rng.integers(0, 3, M), rng.uniform(0.5, 2, M)


def trained(monkeypatch, chunk_size, data, backend="readonly", **more):
    """Losses, learning rates and parameters of a run with chunks of this many examples."""
    monkeypatch.setattr(feed, "CHUNK_EXAMPLES", chunk_size)
    X, y, weights = data
    layers = [gn.Dense(6, "tanh"), gn.Dropout(0.3), gn.Dense(3, "softmax")]
    net = gn.Network(layers, seed=2, backend=backend, dtype="float64")
    history = net.fit(X, y, epochs=3, sample_weight=weights, **more)
    to_host = net.placement.backend.to_host
    return history, np.concatenate([to_host(p).ravel() for pair in net.parameters for p in pair])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_any_chunk_size_gives_the_same_bits(monkeypatch, data, rule, shuffle):
    settings = {"optimizer": RULES[rule], "batch_size": 3, "shuffle": shuffle}
    whole, parameters = trained(monkeypatch, 500_000, data, **settings)
    for chunk_size in (1, 6, 7, 12):
        history, found = trained(monkeypatch, chunk_size, data, **settings)
        assert np.array_equal(found, parameters)
        assert history.loss == whole.loss
        assert history.learning_rate == whole.learning_rate


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_programs_of_numpy_agree_too(monkeypatch, data, rule, batch_size):
    """They may add in another order, but the numbers of each step are those of the step."""
    settings = {"optimizer": RULES[rule], "batch_size": batch_size}
    _, whole = trained(monkeypatch, 500_000, data, **settings)
    _, found = trained(monkeypatch, 7, data, "numpy", **settings)
    np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-12)


def test_what_a_program_is_given_for_each_chunk(monkeypatch, data):
    """The chunks together are the epoch: order, coefficients and keys, each used once and in turn."""
    readonly = gn.get_backend("readonly")
    seen = {}

    def inputs_of(chunk_size):
        found = []

        class Spy(Program):
            name = "spy"

            def __call__(self, state, inputs):
                found.append([readonly.to_host(a).copy() for a in inputs[3:6]])
                return Reference(readonly.namespace(), self.plan)(state, inputs)

        monkeypatch.setattr(type(readonly), "program_for", lambda self, plan, device: (Spy(plan), "spy"))
        trained(monkeypatch, chunk_size, data, optimizer=gn.Adam(gn.Cosine(0.01)), batch_size=4, shuffle=True)
        seen[chunk_size] = len(found)
        return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]

    order, coefficients, keys = inputs_of(500_000)
    assert (order.shape, coefficients.shape, keys.shape) == ((3 * M,), (18, 3), (18, 2))
    assert len({tuple(row) for row in coefficients}) == 18
    for chunk_size in (4, 9):
        for found, wanted in zip(inputs_of(chunk_size), (order, coefficients, keys), strict=True):
            assert np.array_equal(found, wanted)
    assert seen == {500_000: 3, 4: 18, 9: 9}


@pytest.mark.parametrize(
    ("batch_size", "shuffle", "ordered"), [(None, True, False), (22, True, True), (22, False, True)]
)
def test_a_full_batch_has_no_order(monkeypatch, data, batch_size, shuffle, ordered):
    """A sum over all examples is the same in any order: X is read as it stands, which is faster.

    Batches are gathered in any case, so that they round alike wherever a run pauses.
    """
    readonly, seen = gn.get_backend("readonly"), []

    class Spy(Program):
        name = "spy"

        def __call__(self, state, inputs):
            seen.append(inputs.order is not None)
            return Reference(readonly.namespace(), self.plan)(state, inputs)

    monkeypatch.setattr(type(readonly), "program_for", lambda self, plan, device: (Spy(plan), "spy"))
    trained(monkeypatch, 500_000, data, batch_size=batch_size, shuffle=shuffle)
    assert seen == [ordered] * 3
