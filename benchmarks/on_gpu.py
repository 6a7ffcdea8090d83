"""The GPU tests, then the suite with the fastest peers: ``python -m benchmarks.on_gpu [--minutes 8]``.

More options are pytest's. The suite runs in parts, the most important first. What has been measured when the time is
over is stored where the suite puts its results, with the page of tables beside it.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.conftest import results_path

ROOT = Path(__file__).parents[1]
BACKEND = "cupy:0"
PEERS = "torch_graph,jax_scan"  # the others are many times slower, and take most of the suite's time
TESTERS = 8  # processes; most of the tests' time goes into compiling, on the host
LOWER = "(tf32 or bfloat16)"
PARTS = [  # module, and which of its cases
    ("test_throughput", f"shallow and plain and not {LOWER}"),
    ("test_throughput", f"deep and plain and not {LOWER}"),
    ("test_inference", ""),
    ("test_throughput", "not plain"),
    ("test_time_to_98", ""),
    ("test_equal_weights", ""),
    ("test_throughput", LOWER),
    ("test_safeguards", ""),
]


def run(arguments, seconds):
    """Run Python with these arguments for so many seconds at most; its exit status, 124 if it took longer."""
    try:
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=ROOT, check=False, timeout=max(seconds, 1)
        ).returncode
    except subprocess.TimeoutExpired:
        return 124


def merged(files):
    """The results of several runs of the suite as those of one."""
    first, *others = [json.loads(path.read_text()) for path in files]
    for other in others:
        first["benchmarks"] += other["benchmarks"]
    return first


def measure(options, end):
    """Run the parts that there is time for, and store what they have measured; the largest exit status."""
    status, stored, target = 0, [], results_path(BACKEND, quick=False)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, cases) in enumerate(PARTS):
            left = end - time.monotonic()
            if left <= 0:
                print(f"no time left for {name} {cases}", flush=True)
                continue
            path = Path(folder, f"{number}.json")
            chosen = ["-k", cases] if cases else []
            where = [f"benchmarks/{name}.py", "--backend", BACKEND, "--peers", PEERS]
            command = ["pytest", "-q", *where, *chosen, f"--benchmark-json={path}", *options]
            status = max(status, run(command, left))
            if path.exists() and path.stat().st_size:
                stored.append(path)
                target.write_text(json.dumps(merged(stored), indent=1))
    if stored:
        run(["benchmarks.report", str(target)], 60)
    return status


def main(arguments=None):
    """Run both, even if tests fail; exit with the worst of their codes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="then the part that runs is ended")
    parser.add_argument("--no-tests", action="store_true", help="only the suite")
    given, options = parser.parse_known_args(arguments)
    end = time.monotonic() + 60 * given.minutes
    status = 0
    if not given.no_tests:
        workers = min(TESTERS, os.cpu_count() or 1)
        parallel = ["-n", str(workers)] if importlib.util.find_spec("xdist") else []
        tests = ["pytest", "-q", *parallel, "tests/backends/cupy/test_on_gpu.py"]
        status = run(tests, end - time.monotonic())
    status = max(status, measure(options, end))
    print(
        f"{machine.slug(BACKEND)}: {60 * given.minutes - (end - time.monotonic()):.0f} s in all", flush=True
    )
    sys.exit(status)


if __name__ == "__main__":
    main()
