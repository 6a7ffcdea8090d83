"""The GPU tests, then the suite with the fastest peers: ``python -m benchmarks.on_gpu [OPTIONS OF PYTEST]``.

All of it takes a few minutes. Results go where the suite puts them.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = "torch_graph,jax_scan"  # the others are many times slower, and take most of the suite's time


def main():
    """Run both, even if tests fail; exit with the worse of their codes."""
    pytest = [sys.executable, "-m", "pytest", "-q"]
    tests = subprocess.run([*pytest, "tests/backends/cupy/test_on_gpu.py"], cwd=ROOT, check=False)
    suite = [*pytest, "benchmarks", "--backend", "cupy:0", "--peers", PEERS, *sys.argv[1:]]
    measured = subprocess.run(suite, cwd=ROOT, check=False)
    sys.exit(max(tests.returncode, measured.returncode))


if __name__ == "__main__":
    main()
