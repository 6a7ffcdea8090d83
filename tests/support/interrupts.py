"""Ctrl-C at every place where Python lets it in, and at random moments.

By hand, 500 moments each in fit and in predict: ``python tests/support/interrupts.py 500``.
"""

import dis
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

# CPython runs signal handlers after a call, when a function begins, and when a loop goes back.
CHECKED = {"RESUME", "CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD"}


def interrupted_at(n, files, function):
    """Call `function` and raise KeyboardInterrupt at the n-th place (from 0) of these files where a signal may do so.

    Returns whether there was such a place. The trace function ends when it raises, so it raises once.
    """
    left, last, names = n, {}, {}

    def trace(frame, event, argument):
        nonlocal left
        code = frame.f_code
        if code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if event == "call":
            last[frame] = "RESUME"
        elif event == "opcode":
            if code not in names:
                names[code] = {one.offset: one.opname for one in dis.get_instructions(code)}
            before, last[frame] = last.get(frame), names[code][frame.f_lasti]
            if before in CHECKED:
                if left == 0:
                    raise KeyboardInterrupt
                left -= 1
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(old)
    return False


def at_random(count, what, seed=0):
    """SIGINT at `count` random moments of `what`, "fit" or "predict"; the number that came in time.

    Raises AssertionError if memory that was free has been written to, or what follows gives other bits.
    """
    import numpy as np

    import gpunet as gn

    rng, moments = np.random.default_rng(0), random.Random(seed)
    X, y = rng.random((3000, 300), dtype=np.float32), rng.integers(0, 10, 3000)

    def network():
        layers = [gn.Dense(256, "relu"), gn.Dense(10, "softmax")]
        return gn.Network(layers, loss="cross_entropy", inputs=300, seed=0, backend="numpy")

    def bits(net):
        return b"".join(p.tobytes() for layer in net.parameters for p in layer)

    def fit(batch_size):
        net = network()
        net.fit(X, y, optimizer=gn.GradientDescent(0.1, momentum=0.5), batch_size=batch_size, epochs=2)
        return bits(net)

    calls = {"fit": [lambda: fit(1), lambda: fit(50)], "predict": [lambda: net.predict(X).tobytes()]}[what]
    net = network()
    expected = [call() for call in calls]
    caught = 0
    for i in range(count):
        call, right = calls[i % len(calls)], expected[i % len(calls)]
        started = time.perf_counter()
        assert call() == right
        lasts = time.perf_counter() - started
        timer = threading.Timer(moments.random() * lasts, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            call()
            timer.join()
            time.sleep(0.01)
        except KeyboardInterrupt:
            caught += 1
        timer.join()
        zeros = [np.zeros(size, np.float32) for size in (3000, 30_000, 76_800, 256 * 3000, 900_000)]
        assert call() == right, f"other bits after interrupt {i}"
        assert not any(one.any() for one in zeros), f"memory written to after interrupt {i}"
    return caught


def main():
    """`count` moments each, on four threads."""
    os.environ |= {"GPUNET_COMPILE": "wait", "OMP_NUM_THREADS": "4"}
    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root), str(root / "backends")]
    count = int(sys.argv[1])
    for what in ("fit", "predict"):
        print(what, at_random(count, what), "of", count, "interrupted; all bits right", flush=True)


if __name__ == "__main__":
    main()
