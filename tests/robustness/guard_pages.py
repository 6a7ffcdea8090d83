"""Compiled programs on arrays that lie beside pages without access: a read or write out of bounds ends the process."""

import ctypes
import mmap

import numpy as np

from random_plans import NETWORKS, OPTIMIZERS, draw, map_arrays, plan_of

COUNT = 2000
PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
PROT_NONE = 0


class Guarded:
    """Copies of arrays with a page without access before and behind; each touches one of the two."""

    def __init__(self):
        self.held = []
        self.at_end = True

    def __call__(self, array):
        if not isinstance(array, np.ndarray) or array.size == 0:
            return array
        source = array if array.flags.c_contiguous else array.T  # columns are a transposed view of rows
        rows = np.ascontiguousarray(source)
        pages = -(-rows.nbytes // PAGE)
        memory = mmap.mmap(-1, (pages + 2) * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for page in (0, pages + 1):
            if _libc.mprotect(ctypes.c_void_p(address + page * PAGE), PAGE, PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        start = PAGE + (pages * PAGE - rows.nbytes if self.at_end else 0)
        self.at_end = not self.at_end
        copy = np.frombuffer(memory, dtype=rows.dtype, count=rows.size, offset=start).reshape(rows.shape)
        copy[...] = rows
        self.held.append(memory)
        return copy if array.flags.c_contiguous else copy.T


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
    from gpunet_numpy.compiled.blocked.program import Blocked
    from gpunet_numpy.compiled.minibatch.program import MiniBatch
    from gpunet_numpy.compiled.tiny.program import Tiny

    rng = np.random.default_rng(seed)
    done = 0
    while done < count:
        plan = plan_of(
            str(rng.choice(list(NETWORKS))),
            OPTIMIZERS[str(rng.choice(list(OPTIMIZERS)))],
            int(rng.choice([1, 2, 3, 8, 16, 31, 75])),
            str(rng.choice(["float32", "float64"])),
            bool(rng.integers(2)),
            examples=75,
            inputs=int(rng.integers(1, 70)),
        )
        program = (Tiny, Blocked, MiniBatch)[rng.integers(3)]
        if program.unsupported_reason(plan) is not None:
            continue
        on_threads(int(rng.integers(1, 6)), ("neurons", "examples", "to the end")[rng.integers(3)])
        constant = [0.0, 0.0, 0.8][rng.integers(3)]
        state, inputs = draw(plan, bool(rng.integers(2)), None, done, constant, [0.0, -0.6][rng.integers(2)])
        guarded = Guarded()
        state, inputs = map_arrays(guarded, state), map_arrays(guarded, inputs)
        with np.errstate(all="ignore"):
            _, losses = program(plan)(state, inputs)
        done += 1
        yield None if len(losses) == plan.steps else f"{len(losses)} losses of {plan.steps} steps"
