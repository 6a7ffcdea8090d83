"""The README's figures, from stored results: ``python -m benchmarks.readme`` writes them between its two marks.

Throughput is that of the newest results of a CPU and of a GPU; the other tasks are those of the CPU's results.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from benchmarks import result_file
from benchmarks.cases import ARCHITECTURES
from benchmarks.peers import IMPLEMENTATIONS
from benchmarks.report import RESULTS, markdown_table, number, precision
from benchmarks.tables import SHORT_RUN

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- figures, by python -m benchmarks.readme -->", "<!-- end of figures -->"
NETS = {name: architecture.title for name, architecture in ARCHITECTURES.items()}
BATCHES = {1: "1 (SGD)", 32: "32", 128: "128", 1000: "1,000", "full": "60,000 (full batch)"}


def cell(results, kind, **wanted):
    """The stored row of a kind with these entries, in float32; None if there is none."""
    rows = (row for row in result_file.rows_of(results, kind) if wanted.items() <= row.items())
    return next((row for row in rows if precision(row) == "float32"), None)


def throughput(results, net, batch):
    return cell(results, "throughput", net=NETS[net], batch=batch, optimizer="plain")


def newest(gpu):
    """Name and results of the newest run, on a GPU or not, that has measured SGD."""
    found = [(path.stem, result_file.read(path)) for path in RESULTS.glob("*.json")]
    found = [(name, results) for name, results in found if "suite" in results]
    found = [
        (name, results)
        for name, results in found
        if ("gpu" in results["suite"]["machine"]) is gpu and throughput(results, "shallow", 1)
    ]
    return max(found, key=lambda one: (one[1]["suite"]["machine"]["date"], one[0]))


def machine(results):
    about = results["suite"]["machine"]
    return about["gpu"]["name"] if "gpu" in about else f"{about['processor']}, {about['threads']} cores"


def times(ratio):
    """A ratio, more exact where it is small."""
    return f"{ratio:.{0 if ratio >= 10 else 1 if ratio >= 1 else 2}f}"


def against(name, ratio):
    return f"{times(ratio)} × {IMPLEMENTATIONS[name].label}"


def speed(row, unit=""):
    """gpunet's median, and the ratio to the best peer."""
    if row is None:
        return ["–", "–"]
    best = row["best_peer"]
    median = number(row["implementations"]["gpunet"]["median"])
    return [f"{median} {unit}".rstrip(), against(best, row["ratios"][best]["median"])]


def training(cpu, gpu):
    """Rates of training at each batch size."""
    header = ["batch size", machine(cpu), "against the best peer", machine(gpu), "against the best peer"]
    lines = [
        [label, *speed(throughput(cpu, "shallow", batch)), *speed(throughput(gpu, "shallow", batch))]
        for batch, label in BATCHES.items()
    ]
    return markdown_table(header, lines)


def time_to_98(results):
    """Seconds to 98% of the test images, each implementation at its fastest setting."""
    seconds = {}
    for row in result_file.rows_of(results, "time to 98%"):
        for name, one in row["implementations"].items():
            if one["reached"]:
                seconds[name] = min(seconds.get(name, math.inf), one["median"])
    ours = seconds.pop("gpunet")
    best = min(seconds, key=seconds.get)
    return [f"{number(ours)} s", against(best, seconds[best] / ours)]


def other_tasks(results):
    """What else is compared on the CPU, with what gpunet is slower at."""
    settings = len(result_file.rows_of(results, "time to 98%"))
    predicted = {
        rows: speed(cell(results, "inference", net=NETS["shallow"], batch=rows), "images/s")
        for rows in (1, 10_000)
    }
    small = cell(
        results, "throughput", net=NETS["table"], batch="full", optimizer="plain", run_epochs=SHORT_RUN
    )
    cold, warm = (
        cell(results, "first epoch", net=NETS["shallow"], batch=32, cache=cache) for cache in ("cold", "warm")
    )
    lines = [
        ["images without zeros, batches of 1", *speed(throughput(results, "shallow-noisy", 1), "images/s")],
        [
            "images without zeros, batches of 1,000",
            *speed(throughput(results, "shallow-noisy", 1000), "images/s"),
        ],
        [f"98% of the test images right, the fastest of {settings} settings each", *time_to_98(results)],
        ["prediction, one image per call", *predicted[1]],
        ["prediction, 10,000 images per call", *predicted[10_000]],
        [
            "`MLPClassifier.fit` of `gpunet.estimators`, five epochs",
            *speed(cell(results, "estimators", case="mnist"), "s"),
        ],
        ["the same, twenty epochs", *speed(cell(results, "estimators", case="mnist-20-epochs"), "s")],
        ["an epoch on text, sparse rows with 100,000 features", *speed(cell(results, "sparse"), "s")],
        [
            "memory of a full batch, above data and weights",
            *speed(cell(results, "memory", examples=60_000), "MB"),
        ],
        ["a small table (24-8-2, 200 rows, full batch), 1,000 epochs", *speed(small, "rows/s")],
        ["a new process: import and first epoch", *speed(warm, "s")],
        ["the first process on a machine, if it waits for the compiler", *speed(cold, "s")],
    ]
    return markdown_table(["task, on the same CPU", "gpunet", "against the best peer"], lines)


def figures():
    """The lines between the marks."""
    (cpu_name, cpu), (gpu_name, gpu) = newest(gpu=False), newest(gpu=True)
    pages = ", ".join(
        f"[{machine(results)}, {results['suite']['machine']['date']}](benchmarks/results/{name}.md)"
        for name, results in ((cpu_name, cpu), (gpu_name, gpu))
    )
    return f"{training(cpu, gpu)}\n{other_tasks(cpu)}\nAll cells, with spreads and versions: {pages}.\n"


def updated(text):
    """The README with the figures of today's stored results."""
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.S)
    assert len(pattern.findall(text)) == 1
    return pattern.sub(lambda _: f"{BEGIN}\n\n{figures()}\n{END}", text)


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
