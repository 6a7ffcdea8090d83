"""What a plan says of a run."""

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Layer, Plan

LAYERS = (Layer(3, 2, "relu"), Layer(2, 1, "identity"))


def plan(examples=10, batch_size=4, layers=LAYERS, **more):
    return Plan(layers, "squared_error", GradientDescent(), examples, batch_size, **more)


def test_a_plan_without_more_is_of_single_precision_and_unweighted():
    assert (plan().dtype, plan().weighted, plan().uses_dropout) == ("float32", False, False)
    assert plan() == plan(dtype="float32", weighted=False)
    assert plan() != plan(weighted=True)


def test_what_follows_from_the_layers():
    assert plan().activations == ("relu", "identity")
    assert plan(layers=(Layer(3, 2, "relu"), Layer(2, 1, "identity", 0.1))).uses_dropout


def test_the_last_batch_holds_the_remainder():
    assert plan().batches() == [(0, 4), (4, 8), (8, 10)]
    assert plan(8).batches() == [(0, 4), (4, 8)]
    assert plan().batches(5) == [(0, 4), (4, 5)]
    assert plan().batches(20) == [(0, 4), (4, 8), (8, 10), (10, 14), (14, 18), (18, 20)]
    assert [plan().steps_for(m) for m in (0, 4, 5, 10, 11, 20)] == [0, 1, 2, 3, 4, 6]
    assert [plan(m).steps for m in (1, 4, 5, 8, 9)] == [1, 1, 2, 2, 3]
