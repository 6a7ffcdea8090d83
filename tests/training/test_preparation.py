"""The plan of what a run trains: above the frozen layers, after the function for batches."""

import pytest

import gpunet as gn
from gpunet.core.reference import Reference
from gpunet.training import frozen
from small_networks import K, N, small_data
from streams import mapped, small_blocks
from transforms import as_it_is

sparse = pytest.importorskip("scipy.sparse")


@pytest.fixture
def planned(monkeypatch, rng):
    """``planned(X, layers, **options)``: the plan that the program of a run is made for."""
    backend, y = gn.get_backend("numpy"), small_data(rng)[1]

    def plan_of(X, layers, **options):
        plans = []

        def program_for(plan, device):
            plans.append(plan)
            return Reference(backend.namespace(), plan), "a test"

        monkeypatch.setattr(backend, "program_for", program_for)
        net = gn.Network(layers, inputs=N, seed=0, backend="numpy")
        net.fit(X, y, epochs=1, batch_size=5, **options)
        (plan,) = plans
        return plan

    return plan_of


@pytest.mark.parametrize("transform", [None, as_it_is])
def test_sparse_rows_are_dense_after_a_function_for_batches(planned, transform, rng):
    X, _ = small_data(rng)
    plan = planned(sparse.csr_array(X), [gn.Dense(K, "softmax")], transform=transform)
    assert plan.sparse is (transform is None)


@pytest.mark.parametrize("kind", ["array", "transform", "stream"])
def test_what_frozen_layers_give_is_kept_where_there_is_room(planned, kind, rng, monkeypatch, tmp_path):
    """A function for batches, and data that are read block by block, keep none of it."""
    X, _ = small_data(rng)
    layers = [gn.Dense(N + 1, "tanh", trainable=False), gn.Dense(K, "softmax")]
    transform = as_it_is if kind == "transform" else None
    if kind == "stream":
        small_blocks(monkeypatch, 10, 2, N)
        X = mapped(tmp_path, "X", X)
    assert len(planned(X, layers, transform=transform).layers) == 1
    monkeypatch.setattr(frozen, "NUMBERS", 0)
    assert len(planned(X, layers, transform=transform).layers) == (2 if kind == "array" else 1)
    narrow = [gn.Dense(N, "tanh", trainable=False), gn.Dense(K, "softmax")]  # no larger than X
    assert len(planned(X, narrow, transform=transform).layers) == 1
