"""Windows of examples that are numbered, so that a test sees which ones it got."""

import numpy as np

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import TrainState
from gpunet.devices.placement import host_placement
from gpunet.inputs.blocks.fit import with_targets
from gpunet.inputs.blocks.opened import opened
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.pipeline import InputPipeline
from gpunet.teams.alone import Alone
from gpunet.teams.share import Share
from gpunet.training.frozen import FrozenBase
from gpunet.training.windows import Windows
from streams import mapped, small_blocks

M, ROWS, HELD, SEED = 100, 7, 3, 5  # groups of 21 examples


def windows_maker(tmp_path, monkeypatch):
    """A function of the batch size that gives windows of numbered examples, with targets ten times as large.

    The second value closes all that it has given.
    """
    small_blocks(monkeypatch, ROWS, HELD, 2)
    numbers = np.arange(M, dtype="float32")
    X = mapped(tmp_path, "X", np.stack([numbers, -numbers], axis=1))
    placement, open_ones = host_placement(), []

    def make(batch_size, seed=SEED, block_steps=1, every=None, weights=None, engine=None, lanes=None):
        layers, engine = (Layer(2, 1, "identity"),), engine or Alone()
        plan = Plan(layers, "squared_error", gn.GradientDescent(0.1), M, batch_size, lanes=lanes)
        pipeline = InputPipeline(placement, "float32", 2, gn.Dense(1), "squared_error", None)
        blocks = with_targets(*opened(X, 10 * numbers, weights, "float32"))
        state = TrainState([(np.ones((1, 2)), np.ones((1, 1)))], [((), ())])
        base = FrozenBase(plan, state, placement, kept=False)
        windows = Windows(Stream(blocks, pipeline), plan, seed, base, Share(plan, engine), block_steps, every)
        open_ones.append(windows)
        return windows

    return make, lambda: [windows.close() for windows in open_ones]


def numbers_in(window, weighted=False):
    """The examples that a window's steps use, in their order."""
    (X, Y, weights), order = window
    found = X[0][order].astype(int)
    assert np.array_equal(X[1][order], -found)
    assert np.array_equal(Y[0][order], 10 * found)
    assert (weights is not None) == weighted
    assert not weighted or np.array_equal(weights[0][order], 1 + found)
    return found


def wait(windows):
    """Until all that is to be read ahead has been."""
    for _, future in () if windows.reading is None else windows.reading.futures:
        future.result()


def recorded(monkeypatch):
    """The first rows of blocks that are read from here on."""
    read, examples = [], Stream.examples

    def recording(self, block):
        read.append(block.first)
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", recording)
    return read
