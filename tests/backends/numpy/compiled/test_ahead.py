"""What is compiled ahead of a run is all that the run needs."""

import itertools

import numpy as np
import pytest

from gpunet_numpy.compiled.ahead import run_smallest
from gpunet_numpy.compiled.blocked.program import Blocked
from gpunet_numpy.compiled.columns.program import Columns
from gpunet_numpy.compiled.minibatch.program import MiniBatch
from gpunet_numpy.compiled.predict.program import Predictor
from gpunet_numpy.compiled.tiny.program import Tiny
from random_plans import NETWORKS, OPTIMIZERS, SELF_GATED, draw, plan_of

pytestmark = pytest.mark.slow
DTYPES = ("float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("program", [Blocked, Columns, MiniBatch, Tiny])
def test_programs(program, dtype, monkeypatch, on_threads):
    """The smallest plan leaves nothing to compile for any other."""
    monkeypatch.setattr(program.kernel, "code", {})
    run_smallest(program, dtype)
    assert len(program.kernel.code) == 1
    ran = 0
    for count in (1, 2):
        on_threads(count, CHUNK=16, FEWEST=8)
        for network in (*NETWORKS, *SELF_GATED):
            for optimizer in OPTIMIZERS:
                for size in (1, 9, 40):
                    plan = plan_of(network, OPTIMIZERS[optimizer], size, dtype, program is not Columns)
                    if program.unsupported_reason(plan) is None:
                        state, inputs = draw(plan, shuffled=size > 1)
                        with np.errstate(all="ignore"):
                            program(plan)(state, inputs)
                        ran += 1
    assert ran > 10
    assert len(program.kernel.code) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_prediction(dtype, monkeypatch):
    monkeypatch.setattr(Predictor.kernel, "code", {})
    run_smallest(Predictor, dtype)
    rng = np.random.default_rng(0)
    sizes = (20, 30, 3)
    weights = [
        (rng.random((n, m)).astype(dtype), rng.random((n, 1)).astype(dtype))
        for m, n in itertools.pairwise(sizes)
    ]
    predictor = Predictor(["relu", "softmax"], weights)
    for m in (1, 7, 500):
        for X in (
            rng.random((m, 20)),
            rng.random((20, m)).T,
            rng.random((m, 20)) * (rng.random((m, 20)) < 0.1),
        ):
            predictor(X.astype(dtype))
            predictor(X.astype(dtype)[::-1])
    assert len(Predictor.kernel.code) == 1
