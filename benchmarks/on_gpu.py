"""The GPU tests, then the suite with the fastest peers: ``python -m benchmarks.on_gpu [--minutes 8]``.

More options are pytest's. All runs in parts, the most important first. What has been measured when the time is over, or
a part has died, is stored where the suite puts its results, with the page of tables beside it; lines of
``benchmarks.fit_calls`` go to a page of their own. ``--backend numpy --quick --no-tests`` rehearses it without a GPU.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import machine, result_file
from benchmarks.conftest import results_path

ROOT = Path(__file__).parents[1]
BACKEND = "cupy:0"
PEERS = "torch_graph,jax_scan"  # the others are many times slower, and take most of the suite's time
TESTERS = 8  # processes; most of the tests' time goes into compiling, on the host
SHARE = 0.6  # of the time that is left, at most, for the tests and for each part
TEST_SECONDS = 150  # for the tests, at most: several times what they take
GRACE = 15  # seconds in which a part that is ended stores what it has measured
LOWER = "(tf32 or bfloat16)"
PARTS = [  # module, and which of its cases; "fit_calls" is a script, and what it measures
    ("fit_calls", "cells"),
    ("test_throughput", f"shallow and plain and not {LOWER}"),
    ("test_throughput", f"deep and plain and not {LOWER}"),
    ("test_throughput", LOWER),
    ("fit_calls", "integers"),
    ("test_time_to_98", ""),
    ("test_inference", ""),
    ("test_throughput", "not plain"),
    ("test_equal_weights", ""),
    ("test_safeguards", ""),
    ("test_streams", ""),
]


def run(arguments, seconds):
    """Run Python with these arguments for so many seconds at most; its exit status, 124 if it took longer.

    At the end of the time it is interrupted, as by Ctrl-C, so that pytest stores what it has; `GRACE` seconds later it
    is killed, and all processes that it has started.
    """
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, start_new_session=True)
    try:
        try:
            return process.wait(max(seconds, 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(GRACE)
            return 124
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def end_parts_with_this():
    """From here on, SIGTERM ends the part that runs, too: it is in a session of its own, and would go on."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def merged(files):
    """The results of several runs of the suite as those of one."""
    first, *others = [json.loads(path.read_text()) for path in files]
    for other in others:
        first["benchmarks"] += other["benchmarks"]
    return first


def stored(path):
    """Whether a part has stored results there."""
    try:
        return "benchmarks" in json.loads(path.read_text())
    except (OSError, ValueError):  # it was killed before, or while it wrote
        return False


def measure(backend, target, options, end):
    """Run the parts that there is time for, and store what they have measured in `target`; the largest exit status."""
    status, files = 0, []
    fit_page = target.with_name(f"{target.stem}-fit.md")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, cases) in enumerate(PARTS):
            left = end - time.monotonic()
            if left <= GRACE:
                print(f"no time left for {name} {cases}", flush=True)
                continue
            if name == "fit_calls":
                command = [f"benchmarks.{name}", cases, "--backend", backend, "--page", str(fit_page)]
                status = max(status, abs(run(command, SHARE * left)))
                continue
            path = Path(folder, f"{number}.json")
            chosen = ["-k", cases] if cases else []
            where = [f"benchmarks/{name}.py", "--backend", backend, "--peers", PEERS]
            kept = [f"--keep={Path(folder, 'suite')}"]  # data sets, and what is known of the machine
            quiet = ["-W", "ignore:Not saving anything"]  # where the time was over before the first case
            command = ["pytest", "-q", *where, *quiet, *kept, *chosen, f"--benchmark-json={path}", *options]
            status = max(status, abs(run(command, SHARE * left)))
            if stored(path):
                files.append(path)
                result_file.write(target, merged(files))
    if files:
        run(["benchmarks.report", str(target)], 60 + GRACE)
    return status


def main(arguments=None):
    """Run both, even if tests fail; exit with the worst of their codes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="then the part that runs is ended")
    parser.add_argument("--no-tests", action="store_true", help="only the suite")
    parser.add_argument("--backend", default=BACKEND, help="gpunet's")
    parser.add_argument("--results", type=Path, help="a JSON file; default: where the suite puts its results")
    given, options = parser.parse_known_args(arguments)
    begun = time.monotonic()
    end = begun + 60 * given.minutes
    status = 0
    if not given.no_tests:
        workers = min(TESTERS, os.cpu_count() or 1)
        parallel = ["-n", str(workers)] if importlib.util.find_spec("xdist") else []
        tests = ["pytest", "-q", *parallel, "tests/backends/cupy/test_on_gpu.py"]
        status = abs(run(tests, min(SHARE * 60 * given.minutes, TEST_SECONDS)))
    target = given.results or results_path(given.backend, quick="--quick" in options)
    status = max(status, measure(given.backend, target, options, end))
    print(f"{machine.slug(given.backend)}: {time.monotonic() - begun:.0f} s in all", flush=True)
    sys.exit(status)


if __name__ == "__main__":
    end_parts_with_this()
    main()
