"""``fit`` of a network on the fake CuPy: how many calls a run takes, and what it leaves for the next one."""

import numpy as np
import pytest

import gpunet as gn
from gpunet_cupy import kept
from gpunet_cupy.programs.minibatch import MiniBatch

pytestmark = pytest.mark.slow

M = 96
rng = np.random.default_rng(0)
X, y = rng.standard_normal((M, 12)).astype("float32"), rng.integers(0, 3, M)


@pytest.fixture
def calls(usable, monkeypatch):
    """A list to which each call of a mini-batch program adds its steps."""
    steps = []
    run = MiniBatch.__call__

    def counted(self, state, inputs):
        steps.append(len(inputs.coefficients))
        return run(self, state, inputs)

    monkeypatch.setattr(MiniBatch, "__call__", counted)
    return steps


def network():
    layers = [gn.Dense(5, "sigmoid"), gn.Dropout(0.2), gn.Dense(3, "softmax")]
    return gn.Network(layers, inputs=12, seed=0, backend="cupy")


def weights(net):
    return np.concatenate([np.array(p).ravel() for pair in net.parameters for p in pair])


@pytest.mark.parametrize(("batch_size", "shuffle"), [(16, True), (32, False), (None, True)])
def test_one_run_and_many(batch_size, shuffle, calls, fake):
    """A run, one that a callback looks at after each epoch, and runs of one epoch each end with the same bits."""
    given = {"batch_size": batch_size, "shuffle": shuffle, "optimizer": gn.GradientDescent(0.05, 0.8)}
    given |= {"X": fake.to_device(X), "y": fake.to_device(y)}
    together, looked_at, loop = network(), network(), network()
    together.fit(epochs=6, **given)
    steps = 1 if batch_size is None else M // batch_size
    alone = shuffle and steps > 1
    assert calls == ([steps, 5 * steps] if alone else [6 * steps])
    program = kept.KEPT.program
    looked_at.fit(epochs=6, callbacks=[lambda net, history: None], **given)
    assert calls[-6:] == [steps] * 6
    for _ in range(6):
        loop.fit(epochs=1, **given)
        assert kept.KEPT.program is program
    assert np.array_equal(weights(together), weights(looked_at))
    assert np.array_equal(weights(together), weights(loop))
    before = network()
    assert not np.array_equal(weights(together), weights(before))


@pytest.mark.parametrize("batch_size", [16, None])
def test_integers_and_their_numbers(batch_size, calls, fake, monkeypatch):
    """Runs of both, one after the other, by the program that is kept: each as if it were the only one."""
    rows = np.random.default_rng(1).integers(0, 4, (M, 12)).astype("uint8")
    given = {"y": fake.to_device(y), "batch_size": batch_size, "optimizer": gn.GradientDescent(0.05, 0.8)}
    X = {"uint8": fake.to_device(rows), "float32": fake.to_device(rows.astype("float32"))}
    seen, gather = [], MiniBatch._gather
    monkeypatch.setattr(
        MiniBatch, "_gather", lambda self, *a: seen.append(self.data.X.dtype.name) or gather(self, *a)
    )
    ends = []
    for dtype in ("float32", "uint8", "float32", "uint8"):
        net = network()
        net.fit(X[dtype], epochs=3, **given)
        ends.append(weights(net))
        assert seen and set(seen) == {dtype}
        seen.clear()
    assert all(np.array_equal(end, ends[0]) for end in ends)
