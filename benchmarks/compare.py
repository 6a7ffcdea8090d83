"""Two checkouts of gpunet against each other: ``python -m benchmarks.compare OLD NEW [--cells …] [--rounds N]``.

OLD and NEW are folders with ``gpunet/`` and ``backends/``. Per cell, one worker process per checkout has that checkout
alone on its path. Both take samples in interleaved rounds, and take turns at being first; only one of them works at a
time. A sample is the median time per epoch in one call of ``fit`` (``history.seconds``: without checks of the data),
or the mean time per call of ``predict``; both checkouts run the same number of epochs or calls per sample. The ratio
new/old is taken round by round: below 1, NEW is faster.

The first call, which compiles, stands apart: each cell has new processes and empty ``NUMBA_CACHE_DIR`` folders, so
nothing is compiled yet. The last column is the largest difference between the two checkouts' outputs for the same
rows, after that first epoch.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.compare_cells import CELLS
from benchmarks.errors import MeasurementFailed
from benchmarks.worker_process import WorkerProcess

WORKER = Path(__file__).with_name("compare_worker.py")
PAUSE = 0.03  # seconds, in which the previous worker's threads stop spinning
HEADER = (
    "| cell | old | new | new/old (min–max) | first old, s | first new, s | new/old | max difference | program |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def start_worker(checkout, folder):
    """The worker process of a checkout, which compiles into `folder`."""
    variables = {name: value for name, value in os.environ.items() if name != "GPUNET_BACKEND"}
    variables["PYTHONPATH"] = os.pathsep.join([str(checkout), str(checkout / "backends")])
    variables["NUMBA_CACHE_DIR"] = str(folder / "numba")
    variables["GPUNET_COMPILE"] = "wait"  # the first call compiles
    folder.mkdir()
    # -P keeps this package's modules off the worker's path; its tracebacks go to this process's standard error.
    worker = WorkerProcess([sys.executable, "-P", str(WORKER)], variables, folder, log=None)
    source = Path(worker.ask(("source",)))
    if not source.is_relative_to(checkout):
        worker.close()
        raise SystemExit(f"{checkout} has no package gpunet: {source} was imported")
    return worker


def ask(worker, *message):
    time.sleep(PAUSE)
    return worker.ask(message)


def measure(cell, checkouts, rounds, sample_seconds):
    """The figures of one cell; of each pair the old checkout's comes first."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpunet-compare-")))
        workers = []
        for number, checkout in enumerate(checkouts):
            workers.append(start_worker(checkout, folder / str(number)))
            stack.callback(workers[-1].close)
        first = [ask(worker, "prepare", cell) for worker in workers]
        repeats = 1
        while True:  # the same number for both, long enough for the faster one
            shortest = min(repeats * ask(worker, "sample", repeats)["seconds"] for worker in workers)
            if shortest >= 0.8 * sample_seconds:
                break
            repeats = min(10 * repeats, math.ceil(1.1 * repeats * sample_seconds / max(shortest, 1e-6)))
        samples = [[], []]
        for number in range(rounds):
            for i in (0, 1) if number % 2 == 0 else (1, 0):
                samples[i].append(ask(workers[i], "sample", repeats))
    seconds = [[sample["seconds"] for sample in found] for found in samples]
    outputs = zip(*(one["outputs"] for one in first), strict=True)
    return {
        "seconds": [statistics.median(found) for found in seconds],
        "ratios": sorted(new / old for old, new in zip(*seconds, strict=True)),
        "first_seconds": [one["seconds"] for one in first],
        "difference": max(abs(a - b) for a, b in outputs),
        "programs": [found[-1]["program"] for found in samples],
    }


def seconds_text(seconds):
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def line(name, figures):
    """A row of the table."""
    old, new = figures["seconds"]
    first_old, first_new = figures["first_seconds"]
    ratios, programs = figures["ratios"], dict.fromkeys(figures["programs"])
    return (
        f"| {name} | {seconds_text(old)} | {seconds_text(new)} "
        f"| **{statistics.median(ratios):.3f}** ({ratios[0]:.3f}–{ratios[-1]:.3f}) "
        f"| {first_old:.2f} | {first_new:.2f} | {first_new / first_old:.2f} "
        f"| {figures['difference']:.0e} | {' → '.join(programs)} |"
    )


def matching(patterns):
    """The cells whose names match one of the patterns, in the order of `CELLS`."""
    unused = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in CELLS)]
    if unused:
        raise SystemExit(f"no cell is called {', '.join(unused)}; there are: {', '.join(CELLS)}")
    return [name for name in CELLS if any(fnmatchcase(name, pattern) for pattern in patterns)]


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        epilog="Cells: " + ", ".join(CELLS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a checkout of gpunet")
    parser.add_argument("new", type=Path, metavar="NEW", help="another one")
    parser.add_argument("--cells", nargs="+", default=["*"], help="names or patterns, such as 'sparse-*-32'")
    parser.add_argument(
        "--rounds", type=positive, default=5, help="samples per checkout and cell (default 5)"
    )
    parser.add_argument(
        "--sample-seconds", type=float, default=0.25, help="shortest time of a sample (default 0.25)"
    )
    options = parser.parse_args(arguments)
    checkouts = [options.old.resolve(), options.new.resolve()]
    names = matching(options.cells)
    print(HEADER, flush=True)
    failed = False
    for name in names:
        try:
            figures = measure(CELLS[name], checkouts, options.rounds, options.sample_seconds)
        except MeasurementFailed as error:
            failed = True
            print(f"| {name} | failed: {error} |", flush=True)
        else:
            print(line(name, figures), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
