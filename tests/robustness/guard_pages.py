"""Compiled programs on arrays that lie beside pages without access: a read or write out of bounds ends the process.

What they are given lies so, and their own buffers, to a whole cache line. Each program runs twice: the second time it
reads the rows of CSR that it has kept.
"""

import ctypes
import math
import mmap
from dataclasses import replace

import numpy as np

from random_plans import NETWORKS, OPTIMIZERS, SELF_GATED, draw, map_arrays, plan_of, with_dropout

COUNT = 2000
PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
PROT_NONE = 0
LINE = 64  # bytes: kernels read and write whole cache lines of their own buffers


class Guarded:
    """Arrays with a page without access before and behind; each touches one of the two."""

    def __init__(self):
        self.at_end = True

    def made(self, shape, dtype, unit=1):
        """Zeros, in memory of a whole number of units."""
        count, dtype = math.prod(shape), np.dtype(dtype)
        size = -(-count * dtype.itemsize // unit) * unit
        pages = -(-size // PAGE)
        memory = mmap.mmap(-1, (pages + 2) * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for page in (0, pages + 1):
            if _libc.mprotect(ctypes.c_void_p(address + page * PAGE), PAGE, PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        start = PAGE + (pages * PAGE - size if self.at_end else 0)
        self.at_end = not self.at_end
        return np.frombuffer(memory, dtype=dtype, count=count, offset=start).reshape(shape)

    def __call__(self, array):
        """A copy of an array."""
        if not isinstance(array, np.ndarray) or array.size == 0:
            return array
        rows = array if array.flags.c_contiguous else array.T  # columns are a transposed view of rows
        copy = self.made(rows.shape, rows.dtype)
        copy[...] = rows
        return copy if array.flags.c_contiguous else copy.T

    def aligned(self, *shape, dtype, make=np.zeros):
        """In the place of :func:`gpunet_numpy.compiled.layout.aligned`."""
        return self.made(shape, dtype, LINE) if math.prod(shape) else make(shape, dtype)


def on_threads(count, shares):
    """Let the programs use so many threads, however few neurons there are for them; they share a batch out as `shares`
    says: by neurons, by examples, or by examples to the end."""
    from gpunet_numpy.compiled.blocked import program as blocked
    from gpunet_numpy.compiled.minibatch import program as minibatch

    for module in (blocked, minibatch):
        module.threads = lambda: count
    blocked.NEURONS = minibatch.WORK = minibatch.EXAMPLES = 1
    minibatch.SHORT = 0
    minibatch.NEURONS, minibatch.EXAMPLES_PER_NEURON = (1, 10**9) if shares == "neurons" else (1000, 1.5)
    small = shares == "to the end"
    minibatch.CHUNK, minibatch.FEWEST, minibatch.SPARSE_CHUNK = (9, 7, 8) if small else (1024, 512, 256)


def attempts(count, seed):
    """See README.md."""
    from gpunet_numpy.compiled import data, kept_rows, layout
    from gpunet_numpy.compiled.blocked import program as blocked
    from gpunet_numpy.compiled.columns import program as columns
    from gpunet_numpy.compiled.minibatch import program as minibatch
    from gpunet_numpy.compiled.sizes import WIDEST
    from gpunet_numpy.compiled.tiny.program import Tiny

    rng, guarded = np.random.default_rng(seed), Guarded()
    for module in (data, kept_rows, layout, blocked, columns, minibatch):
        module.aligned = guarded.aligned
    columns.WEIGHTS = columns.INPUTS = columns.UNITS = 10**6
    done = 0
    while done < count:
        plan = plan_of(
            str(rng.choice([*NETWORKS, *SELF_GATED])),
            OPTIMIZERS[str(rng.choice(list(OPTIMIZERS)))],
            int(rng.choice([1, 2, 3, 8, 16, 31, 75])),
            str(rng.choice(["float32", "float64"])),
            bool(rng.integers(2)),
            examples=75,
            inputs=int(rng.integers(1, 70)),
        )
        program = (Tiny, columns.Columns, blocked.Blocked, minibatch.MiniBatch)[rng.integers(4)]
        if rng.random() < 0.2:
            plan = replace(plan, optimizer=replace(plan.optimizer, clip_norm=float(rng.choice([0.1, 10]))))
        if program.unsupported_reason(plan) is not None:
            continue
        on_threads(int(rng.integers(1, 6)), ("neurons", "examples", "to the end")[rng.integers(3)])
        constant = [0.0, 0.0, 0.8][rng.integers(3)]
        state, inputs = draw(plan, bool(rng.integers(2)), None, done, constant, [0.0, -0.6][rng.integers(2)])
        if program is minibatch.MiniBatch and rng.random() < 0.4:
            plan, inputs = with_dropout(plan, inputs, [(0.0, 0.5), (0.2, 0.5)][rng.integers(2)])
        epochs = int(rng.choice([1, 3])) if inputs.order is not None else 1
        if epochs > 1:
            inputs = inputs._replace(
                **{
                    name: np.concatenate([one] * epochs)
                    for name in ("order", "coefficients", "dropout_keys")
                    if (one := getattr(inputs, name)) is not None
                }
            )
        state, inputs = map_arrays(guarded, state), map_arrays(guarded, inputs)
        minibatch.WIDEST = int(rng.choice([0, WIDEST]))  # gradients with CSC, or row by row
        minibatch.ADDED = minibatch.GRADIENTS = int(rng.choice([1, 1500, 2**15]))
        kept_rows.ENTRIES = int(rng.choice([100, 10**6]))
        columns.CACHE, columns.CHUNK = int(rng.choice([0, 2**15])), int(rng.choice([7, 128]))
        made = program(plan)
        with np.errstate(all="ignore"):
            for _ in range(2):
                _, losses = made(state, inputs._replace(epochs=kept_rows.EPOCHS))
        done += 1
        steps = epochs * plan.steps
        yield None if len(losses) == steps else f"{len(losses)} losses of {steps} steps"
