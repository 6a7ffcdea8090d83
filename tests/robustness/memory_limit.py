"""No memory left in fit and predict, by a limit of the address space."""

import resource

import numpy as np

import gpunet as gn

COUNT = 20


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((20_000, 50)).astype("float32"), rng.integers(0, 3, 20_000)
    net = gn.Network([gn.Dense(2000, "tanh"), gn.Dense(3, "softmax")], seed=1, backend="numpy")
    # Compiled before memory is short: LLVM ends the process where it gets none.
    net.fit(X, y, epochs=1, batch_size=None)
    net.predict(X)
    before = [p.copy() for pair in net.parameters for p in pair]
    for attempt in range(count):
        work = ("fit", "predict")[attempt % 2]
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * 4096
        room = int(rng.integers(1, 32)) * 2**20
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + room, hard))
        try:
            if work == "fit":
                net.fit(X, y, epochs=1, batch_size=None)
            else:
                net.predict(np.broadcast_to(X[:1], (20_000, 50)) if attempt % 4 == 1 else X)
            outcome = "enough"
        except MemoryError as error:
            outcome = None if str(error) else "an error without a text"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        after = [p for pair in net.parameters for p in pair]
        if outcome == "enough":
            before, outcome = [p.copy() for p in after], None
        elif outcome is None and not all(map(np.array_equal, before, after)):
            outcome = "the weights have changed"
        yield outcome and f"{work} with {room >> 20} MB: {outcome}"
