"""Strong scaling: examples per second on 1, 2, 4, … ranks of one core each, beside PyTorch DDP with gloo.

``python -m benchmarks.team_scaling --ranks 1,2,4,8,16`` on an idle machine with as many cores takes about a minute. It
needs mpi4py with an MPI library (pip install mpi4py mpich), and PyTorch. A table is printed, and written with all
samples to ``benchmarks/results/teams``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.environment import ROOT, base_environment

RESULTS = ROOT / "benchmarks" / "results" / "teams"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
PACKAGES = ("python", "gpunet", "numpy", "torch")
COLUMNS = (
    *("batch", "ranks", "gpunet, examples/s", "DDP, examples/s", "gpunet / DDP"),
    *("efficiency of gpunet", "efficiency of DDP"),
)
NEEDED = {"mpi4py": "mpi4py mpich", "torch": "torch"}  # what to install for it


def rows_of(cells):
    """The table's numbers: medians of examples per second, their ratio, and the efficiency of each.

    That is the speed of one rank, divided by the same with the fewest ranks and this batch.
    """
    rows = []
    for cell in cells:
        ours, theirs = (statistics.median(cell[who]) for who in ("gpunet", "ddp"))
        alone = next(one for one in cells if one["batch"] == cell["batch"])
        more = cell["ranks"] / alone["ranks"]
        efficiencies = [
            median / statistics.median(alone[who]) / more
            for who, median in (("gpunet", ours), ("ddp", theirs))
        ]
        rows.append((cell["batch"], cell["ranks"], ours, theirs, ours / theirs, *efficiencies))
    return rows


def page(result):
    """The result as Markdown."""
    about = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        f"# Teams on one machine, {about['date']}",
        "",
        f"- {about['processor']}, {about['system']}, {about['threads']} cores; each rank on one of them.",
        f"- {result['mpi']}; gloo of PyTorch; {versions}.",
        f"- Layers {'-'.join(map(str, result['layers']))}, ReLU, softmax; Adam; float32; shuffled examples.",
        "",
        "Examples per second: medians, with the smallest and largest sample in brackets. Efficiency: the speed of one "
        "rank, divided by the same with the fewest ranks and this batch.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{' --- |' * len(COLUMNS)}",
    ]
    for cell, row in zip(result["cells"], rows_of(result["cells"]), strict=True):
        batch, ranks, ours, theirs, *ratios = row
        speeds = [
            f"{median:,.0f} ({min(cell[who]):,.0f}–{max(cell[who]):,.0f})"
            for who, median in (("gpunet", ours), ("ddp", theirs))
        ]
        lines.append(
            f"| {batch:,} | {ranks} | {' | '.join(speeds)} | {' | '.join(f'{one:.2f}' for one in ratios)} |"
        )
    if result["not_measured"]:
        lines += ["", f"Not measured, the time was up: {', '.join(map(str, result['not_measured']))} ranks."]
    return "\n".join([*lines, ""])


def measured(launcher, ranks, **settings):
    """What `benchmarks.team_worker` finds on so many ranks, all started once."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "result.json")
        settings = json.dumps({"ranks": ranks, **settings})
        worker = [sys.executable, "-m", "benchmarks.team_worker", settings, str(found)]
        environment = base_environment() | ONE_THREAD
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")  # no name of this machine need be known
        subprocess.run([*launcher, "-n", str(max(ranks)), *worker], env=environment, cwd=ROOT, check=True)
        return json.loads(found.read_text())


def main(arguments=None):
    """Measure, print a table, write it and the samples."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.team_scaling", description=__doc__)
    parser.add_argument("--layers", default="784,1024,1024,10", help="inputs and units")
    parser.add_argument("--batches", default="1024,8192")
    parser.add_argument("--ranks", default="1,2,4,8,16")
    parser.add_argument(
        "--seconds", type=float, default=2.5, help="for the samples of one cell (default: %(default)s)"
    )
    parser.add_argument(
        "--limit", type=float, default=90.0, help="seconds after which no further number of ranks is begun"
    )
    parser.add_argument("--launcher", default="mpiexec", help="with options of its own, if need be")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    layers, batches, ranks = (
        [int(one) for one in getattr(options, name).split(",")] for name in ("layers", "batches", "ranks")
    )
    cores = machine.available_cores()
    if max(ranks) > cores:
        parser.error(f"{max(ranks)} ranks need as many cores, and this process may use {cores}")
    launcher = options.launcher.split()
    beside = Path(sys.executable).parent  # where pip installs one, which need not be on the PATH
    launcher[0] = shutil.which(launcher[0], path=beside) or shutil.which(launcher[0]) or launcher[0]
    if shutil.which(launcher[0]) is None:
        parser.error(f"{launcher[0]} is not on the PATH: install MPI with pip install mpi4py mpich")
    for name, packages in NEEDED.items():
        if importlib.util.find_spec(name) is None:
            parser.error(f"{name} is not installed: pip install {packages}")
    begun = time.perf_counter()
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": machine.processor_name(),
        "system": f"{os.uname().sysname} {os.uname().machine}",
        "threads": cores,
        "versions": {name: version for name, version in machine.versions().items() if name in PACKAGES},
    }
    settings = {"layers": layers, "batches": batches, "seconds": options.seconds}
    found = measured(launcher, ranks, **settings, deadline=time.time() + options.limit)
    done = {cell["ranks"] for cell in found["cells"]}
    missing = [count for count in ranks if count not in done]
    result = {"machine": about, "layers": layers, "not_measured": missing, **found}
    text = page(result)
    options.out.mkdir(parents=True, exist_ok=True)
    where = options.out / f"{about['date']}-{machine.slug()}"
    where.with_name(f"{where.name}.json").write_text(json.dumps(result, indent=1) + "\n")
    where.with_name(f"{where.name}.md").write_text(text)
    print(text)
    print(f"{where}.md and .json, after {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
