"""Kernels run as plain Python too (``NUMBA_DISABLE_JIT=1``), to be stepped through in a debugger."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys

import array_api_compat.numpy as xp
import numpy as np
from random_plans import OPTIMIZERS, differences, draw, plan_of, sparse

from gpunet.core.reference import Reference
from gpunet.core.propagation import forward
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.columns import program as columns
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.predict import program as predict
from gpunet_numpy.compiled.sizes import WIDEST
from gpunet_numpy.compiled.sparse_rows import program as sparse_rows
from gpunet_numpy.compiled.tiny import program as tiny

count = int(sys.argv[1])
assert type(tiny.Tiny.kernel.function).__name__ == "function"
for module in (blocked, minibatch, predict, sparse_rows):
    module.threads = lambda: count
blocked.NEURONS = minibatch.NEURONS = minibatch.WORK = minibatch.EXAMPLES = sparse_rows.WORK = 1
sparse_rows.CHUNK, minibatch.SHORT = 8, 0
minibatch.FEWEST, minibatch.CHUNK, minibatch.SPARSE_CHUNK = 8, 8, 8
minibatch.GRADIENTS = minibatch.ADDED = 2000
data = ({}, {"constant": 0.8}, {"constant": 0.8, "offset": -0.6})
with np.errstate(all="ignore"):
    for i, given in enumerate(data):
        dtype = ("float64", "float32")[(i + count) % 2]
        for program, optimizer, size in (
            (tiny.Tiny, "momentum", 3),
            (columns.Columns, "adamw", 9),
            (blocked.Blocked, "plain", 1),
            (blocked.Blocked, "momentum-decay", 4),
            (minibatch.MiniBatch, "adamw", 6),
            (minibatch.MiniBatch, "momentum", 15),
            (minibatch.MiniBatch, "plain", 20),
            (sparse_rows.SparseRows, "adamw", 6),
            (sparse_rows.SparseRows, "momentum", 20),
        ):
            # From 15 examples on these are shared out and not the neurons; from 9 a thread on to the end.
            minibatch.EXAMPLES_PER_NEURON = 10 / 40
            minibatch.WIDEST = WIDEST if i else 0
            weighted = program is not columns.Columns
            plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], size, dtype, weighted, 22, inputs=9)
            state, inputs = draw(plan, **given)
            expected = Reference(xp, plan)(state, inputs)
            read = plan, inputs
            if program is sparse_rows.SparseRows:
                read = sparse(plan, inputs)
            made = program(read[0])
            for _ in range(2):  # the second time with rows that have been kept
                found = differences(plan, made(state, read[1]._replace(epochs=99)), expected)
                assert not found, (program, given, dtype, found)
        activations = ("relu", "softmax")
        rng = np.random.default_rng(0)
        weights = [(rng.standard_normal((n, k)).astype(dtype), np.ones((n, 1), dtype)) for k, n in ((9, 5), (5, 3))]
        predictor = predict.Predictor(activations, weights)
        for X in (inputs.X.T[:1], inputs.X.T):
            assert np.allclose(predictor(X), forward(xp, activations, weights, X.T)[0].T, atol=1e-5)
        X = inputs.X.T.copy()
        X[4, 2] = np.nan
        assert predictor(X) is None
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_in_python(threads):
    paths = os.pathsep.join(path for path in sys.path if path)
    settings = {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(threads)], check=True, timeout=240, env=os.environ | settings
    )
