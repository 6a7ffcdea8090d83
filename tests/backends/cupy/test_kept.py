"""The program of the last run serves the next one of the same plan, and holds none of its data."""

import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.reference import Reference
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet_cupy import kept
from random_plans import DESCENTS, OTHERS, differences, draw, map_arrays, plan_of


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(kept.KEPT, "program", None)


@pytest.fixture
def backend():
    return gn.devices.registry.load_backend("cupy")


def test_who_gets_it(fake, backend):
    """A run of the same plan on the same device, once; no run that began while another one had it."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 20)
    program, reason = backend.program_for(plan, "cuda:0")
    assert backend.program_for(plan, "cuda:0")[0] is not program  # it has not finished
    program.finish()
    assert backend.program_for(replace(plan), "cuda:0") == (program, reason)
    assert backend.program_for(plan, "cuda:0")[0] is not program
    for other in ((plan, "cuda:1"), (replace(plan, examples=80), "cuda:0")):
        program.finish()
        assert backend.program_for(*other)[0] is not program
        assert kept.KEPT.program is None  # nothing is left of it while another plan runs


def test_who_asks_for_it_makes_none_and_takes_none(fake, backend, monkeypatch):
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 20)
    program, _ = backend.program_for(plan, "cuda:0")
    program.finish()
    monkeypatch.setattr(type(program), "__init__", None)
    assert backend.has_program(plan, "cuda:0")
    assert not backend.has_program(replace(plan, sparse=True), "cuda:0")
    assert kept.KEPT.program is program


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "optimizer", "batch_size", "name"),
    [
        ("sigmoid-softmax", DESCENTS["plain"], 1, "cupy persistent blocked SGD"),
        ("relu-tanh-sigmoid", DESCENTS["plain"], 1, "cupy persistent deep blocked SGD"),
        ("wider", DESCENTS["momentum"], 1, "cupy blocked SGD"),
        ("sigmoid-softmax", OTHERS["adamw"], 30, "cupy persistent kernel"),
        ("linear", OTHERS["adamw"], 30, "cupy mini-batch"),
        ("linear", OTHERS["adamw"], 75, "cupy mini-batch"),
        ("linear", OTHERS["adamw"], 5, "cupy mini-batch"),
    ],
)
def test_runs_of_other_data(network, optimizer, batch_size, name, fake, backend):
    plan = plan_of(network, optimizer, batch_size, weighted=True)
    programs = set()
    for seed in range(3):
        program, _ = backend.program_for(plan, "cuda:0")
        programs.add(program)
        given = draw(plan, seed=seed)
        on_device = map_arrays(fake.to_device, given)
        assert differences(plan, program(*on_device), Reference(xp, plan)(*given)) == {}
        X = weakref.ref(on_device[1].X)
        program.finish()
        vars(program).get("graphs", {}).clear()  # the fake's keep what they read, CUDA's do not
        del on_device
        gc.collect()
        assert X() is None, "the data of a run that is over are kept"
    assert len(programs) == 1 and program.name == name


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_graph_is_for_what_is_in_the_same_place(dtype, weighted, fake, backend):
    """Another run with data there replays it; one whose X, Y or weights are elsewhere captures its own."""
    plan = plan_of("softmax", OTHERS["adamw"], 7, dtype, weighted=weighted)
    state, inputs = draw(plan)
    data = {"X": inputs.X.T.copy(), "Y": inputs.Y.T.copy()}
    if weighted:
        data["example_weights"] = inputs.example_weights.T.copy()
    data = {name: fake.to_device(rows) for name, rows in data.items()}

    def run():
        program, _ = backend.program_for(plan, "cuda:0")
        here = {name: np.array(rows.T) for name, rows in data.items()}
        there = {name: rows.T for name, rows in data.items()}
        expected = Reference(xp, plan)(state, inputs._replace(**here))
        given = map_arrays(fake.to_device, (state, inputs))
        found = program(given[0], given[1]._replace(**there))
        assert differences(plan, found, expected) == {}
        [graph] = program.graphs.values()
        program.finish()
        return graph

    first = run()
    for rows in data.values():
        rows[...] = rows[::-1].copy()
    assert run() is first
    for name in data:
        data[name] = fake.to_device(data[name])
        again = run()
        assert again is not first
        first = again


@pytest.mark.slow
def test_a_graph_is_for_one_kind_of_integers(fake, backend):
    """Bytes with and without a sign in the same place are other numbers."""
    plan = plan_of("softmax", OTHERS["rmsprop"], 7, "float32")
    state, inputs = draw(plan)
    placement = SimpleNamespace(xp=xp, to_device=fake.to_device)
    rows = fake.to_device(np.random.default_rng(0).integers(0, 256, (plan.examples, 11), dtype=np.uint8))
    Y = fake.to_device(inputs.Y.T.copy()).T
    for dtype in ("uint8", "int8", "uint8"):
        program, _ = backend.program_for(plan, "cuda:0")
        there = rows.view(dtype)
        expected = Reference(xp, plan)(state, inputs._replace(X=np.array(there, dtype="float32").T))
        given = map_arrays(fake.to_device, (state, inputs))
        found = program(
            given[0], given[1]._replace(Y=Y, X=IntegerExamples(there, placement, plan.dtype, None))
        )
        assert differences(plan, found, expected, 1e-4) == {}
        program.finish()


@pytest.mark.slow
def test_one_that_has_much_memory_is_not_kept(fake, backend, monkeypatch):
    plan = plan_of("linear", OTHERS["adamw"], 25)
    program, _ = backend.program_for(plan, "cuda:0")
    program.finish()
    assert kept.KEPT.program is None  # it has nothing that a run could use
    program(*map_arrays(fake.to_device, draw(plan)))
    size = kept.bytes_of([program.work, program.epoch])
    assert size > 25 * 11 * 8
    for limit, keeps in ((size, True), (size - 1, False)):
        monkeypatch.setattr("gpunet_cupy.programs.minibatch.BYTES", limit)
        monkeypatch.setattr(kept.KEPT, "program", None)
        program.finish()
        assert (kept.KEPT.program is program) == keeps
