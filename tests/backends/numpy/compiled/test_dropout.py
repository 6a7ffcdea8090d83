"""Compiled dropout drops what the reference drops: the same masks, whoever computes them."""

import itertools
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.dropout import keep_mask
from gpunet.core.reference import Reference
from gpunet.devices.placement import host_placement
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.columns import program as columns
from gpunet_numpy.compiled.intrinsics import hashed, inner
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.sparse_rows import program as sparse_rows
from gpunet_numpy.compiled.tiny import program as tiny
from integer_inputs import both as integer_inputs
from random_plans import (
    OPTIMIZERS,
    differences,
    draw,
    epoch_chunk,
    numbers,
    plan_of,
    sparse,
    with_dropout,
)

NETWORKS = [
    "softmax",
    "wide",
    "relu-tanh-sigmoid",
    "three-hidden",
    "leaky-absolute",
    "selu-elu-squares",
    "gelu-silu",
    "mish-gelu",
]
SHARES = {
    "neurons": {"NEURONS": 1, "EXAMPLES_PER_NEURON": 10**9},
    "examples": {"NEURONS": 1000},
    "to the end": {"NEURONS": 1000, "CHUNK": 10, "FEWEST": 7, "SPARSE_CHUNK": 8},
}
DATA = [{}, {"constant": 0.8}, {"constant": 0.8, "offset": -0.6}]


@inner
def hash_of(j, m, i, key):
    return hashed(j, m, i, key)


def check(program, plan, state, inputs):
    assert program.unsupported_reason(plan) is None
    before = numbers([*state, inputs.Y])
    with np.errstate(all="ignore"):
        found, expected = program(plan)(state, inputs), Reference(xp, plan)(state, inputs)
    assert np.array_equal(numbers([*state, inputs.Y]), before)
    assert not differences(plan, found, expected)
    return found


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.999])
def test_hashes_are_those_of_the_masks(rate, from_python):
    """Also where places and products of them overflow 32 bits."""
    compiled, rng = from_python(hash_of), np.random.default_rng(0)
    for n, m in ((7, 5), (3, 1)):
        for key in (*rng.integers(-(2**31), 2**31, 4), -(2**31), 0, 2**31 - 1):
            key = np.int32(key)
            mask = keep_mask(xp, key, (n, m), rate, like=np.zeros(1))
            found = np.array([[compiled(j, m, i, key) for i in range(m)] for j in range(n)])
            assert ((found >= 0) & (found < 2**24)).all()
            assert np.array_equal(found >= round(rate * 2**24), mask > 0)
    key, first = np.int32(12345), 2**31 - 3
    mask = keep_mask(xp, key, (3, 2**31 + 5), 0.5, like=np.zeros(1), columns=(first, first + 6))
    found = np.array([[compiled(j, 2**31 + 5, first + i, key) for i in range(6)] for j in range(3)])
    assert np.array_equal(found >= 2**23, mask > 0)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rates", [(0.0, 0.5), (0.2,), (0.3, 0.0)])
def test_minibatch(network, rates, on_threads):
    rng = np.random.default_rng([len(network), len(rates)])
    for data, share in itertools.product(DATA, SHARES):
        on_threads(int(rng.integers(1, 5)), **SHARES[share])
        dtype, optimizer = (
            ("float64", "float32")[rng.integers(2)],
            list(OPTIMIZERS)[rng.integers(len(OPTIMIZERS))],
        )
        batch_size = 75 if share == "to the end" else int(rng.choice([1, 32, 50, 75]))
        weighted, shuffled = (bool(rng.integers(2)) for _ in range(2))
        plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, weighted)
        state, inputs = draw(plan, shuffled, **data)
        plan, inputs = with_dropout(plan, inputs, rates)
        check(minibatch.MiniBatch, plan, state, inputs)


@pytest.mark.slow
def test_wide_layers(on_threads):
    """Rows of more numbers than those that are done together."""
    on_threads(2)
    for name in ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "silu"):
        net = gn.Network([gn.Dense(40, name), gn.Dense(35, name), gn.Dense(2)], inputs=11, seed=0)
        plan = plan_of("linear", OPTIMIZERS["plain"], 20)
        layers = tuple(
            replace(plan.layers[0], inputs=n, units=layer.units, activation=layer.activation)
            for n, layer in zip((11, 40, 35), net.layers, strict=True)
        )
        plan = replace(plan, layers=layers)
        state, inputs = draw(plan)
        plan, inputs = with_dropout(plan, inputs, (0.0, 0.4, 0.6))
        check(minibatch.MiniBatch, plan, state, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_sparse_rows(network, on_threads, monkeypatch):
    pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(len(network))
    for batch_size, optimizer in itertools.product((1, 32, 75), ("plain", "adam")):
        on_threads(int(rng.integers(1, 4)))
        monkeypatch.setattr(sparse_rows, "CHUNK", int(rng.choice([20, 1024])))
        plan = plan_of(network, OPTIMIZERS[optimizer], batch_size)
        state, inputs = draw(plan, bool(rng.integers(2)), constant=0.8)
        plan, inputs = with_dropout(plan, inputs, (0.0, 0.5))
        plan, inputs = sparse(plan, inputs)
        check(sparse_rows.SparseRows, plan, state, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("rates", [(0.0, 0.5), (0.2, 0.5)])
def test_an_epoch_in_several_calls_and_several_epochs_in_one(rates, on_threads):
    """The same masks, to the bit."""
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 32, "float32")
    state, inputs = draw(plan)
    plan, inputs = with_dropout(plan, inputs, rates)
    program = minibatch.MiniBatch(plan)
    whole, losses = program(state, inputs)
    keys, last, found = inputs.dropout_keys, state, []
    for first, end in ((0, 1), (1, plan.steps)):
        part = epoch_chunk(plan, inputs, first, end)._replace(dropout_keys=keys[first:end])
        last, some = program(last, part)
        found.append(some)
    assert np.array_equal(losses, np.concatenate(found))
    assert np.array_equal(numbers([*whole]), numbers([*last]))
    again, others = program(whole, inputs)
    twice = inputs._replace(
        order=np.tile(inputs.order, 2),
        coefficients=np.tile(inputs.coefficients, (2, 1)),
        dropout_keys=np.tile(keys, (2, 1)),
    )
    both, all_losses = program(state, twice)
    assert np.array_equal(all_losses, np.concatenate([losses, others]))
    assert np.array_equal(numbers([*both]), numbers([*again]))


@pytest.mark.slow
def test_a_full_batch_again_and_again(on_threads):
    """Its examples stand as they are, its inputs' masks change."""
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["plain"], 75)
    state, inputs = draw(plan, shuffled=False)
    inputs = inputs._replace(coefficients=np.tile(inputs.coefficients, (4, 1)))
    plan, inputs = with_dropout(plan, inputs, (0.3, 0.5))
    check(minibatch.MiniBatch, plan, state, inputs)


@pytest.mark.slow
def test_small_integers(on_threads):
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["plain"], 32)
    state, inputs = draw(plan)
    plan, inputs = with_dropout(plan, inputs, (0.3, 0.5))
    for zeros in (0.0, 0.8):
        integers, as_numbers = integer_inputs(plan, inputs, "uint8", "feature", host_placement(), zeros=zeros)
        found = minibatch.MiniBatch(plan)(state, integers)
        assert not differences(plan, found, Reference(xp, plan)(state, as_numbers))


def test_who_does_it():
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["plain"], 8)
    hidden, _ = with_dropout(plan, draw(plan)[1], (0.0, 0.5))
    inputs, _ = with_dropout(plan, draw(plan)[1], (0.5, 0.0))
    for program in (columns.Columns, tiny.Tiny, blocked.Blocked):
        assert program.unsupported_reason(hidden) == "dropout is done in batches"
    assert minibatch.MiniBatch.unsupported_reason(hidden) is None
    assert minibatch.MiniBatch.unsupported_reason(inputs) is None
    assert sparse_rows.SparseRows.unsupported_reason(replace(hidden, sparse=True)) is None
    assert "dense rows" in sparse_rows.SparseRows.unsupported_reason(replace(inputs, sparse=True))


@pytest.mark.slow
@pytest.mark.parametrize("inputs", [0.0, 0.2])
def test_a_run(inputs, monkeypatch):
    """As plain NumPy's, epochs with a smaller last batch among others; nothing is dropped in predictions."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((70, 7)).astype("float32"), np.arange(70) % 3
    nets = []
    for setting in ("wait", "never"):
        monkeypatch.setenv("GPUNET_COMPILE", setting)
        layers = [gn.Dense(9, "relu"), gn.Dropout(0.4), gn.Dense(3, "softmax")]
        layers = [gn.Dropout(inputs), *layers] if inputs else layers
        nets.append(gn.Network(layers, seed=0, backend="numpy"))
        nets[-1].fit(X, y, epochs=4, batch_size=32)
    one, other = nets
    assert one.history.program == "compiled mini-batch" != other.history.program
    assert np.allclose(one.history.loss, other.history.loss, rtol=1e-4)
    assert np.allclose(one.predict(X), other.predict(X), atol=1e-4)
