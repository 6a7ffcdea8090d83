"""One table and one chart from stored results: ``python -m benchmarks.report [results.json]``.

Writes a Markdown page beside the JSON, and ``throughput.png`` and ``throughput.svg``; for a GPU, ``throughput-gpu.…``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import chart
from benchmarks.peers import CONTENDERS

RESULTS = Path(__file__).parent / "results"


def rows_of(results, kind):
    """What the benchmarks of one kind have stored."""
    found = [one["extra_info"] for one in results["benchmarks"]]
    return [info for info in found if info.get("kind") == kind]


def number(value):
    """Three digits, thousands apart."""
    if value >= 1000:
        digits = 10 ** (len(str(int(value))) - 3)
        return f"{int(round(value / digits) * digits):,}"
    return f"{value:.3g}"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def ratio(row):
    """gpunet against the best peer: median and spread over the rounds."""
    best = row["best_peer"]
    if best is None:
        return ["–", "–"]
    found = row["ratios"][best]
    text = f"**{found['median']:.2f}** ({found['min']:.2f}–{found['max']:.2f})"
    return [CONTENDERS[best].label, text]


def figures(row, names):
    """One cell a contender; what failed is said."""
    cells = []
    for name in names:
        if name in row["contenders"]:
            cells.append(number(row["contenders"][name]["median"]))
        elif name in row["errors"]:
            cells.append("failed")
        else:
            cells.append("–")
    return cells


def comparison(rows, first, last=(), extra=lambda row: []):
    """A table of contenders; `first` and `last` are columns, name and function of a row."""
    names = [
        name for name in CONTENDERS if any(name in row["contenders"] or name in row["errors"] for row in rows)
    ]
    header = [title for title, _ in first] + [CONTENDERS[name].label for name in names]
    header += ["best peer", "times better", *(title for title, _ in last)]
    lines = [
        [
            *(str(cell(row)) for _, cell in first),
            *figures(row, names),
            *ratio(row),
            *(str(cell(row)) for _, cell in last),
        ]
        for row in rows
    ]
    return table(header, lines)


def share(row):
    found = row["contenders"]["gpunet"].get("share_of_peak")
    return "–" if found is None else f"{found:.0%}"


def program(row):
    return row["contenders"]["gpunet"].get("program", "–")


def batch(row):
    return row["batch"] if row["batch"] == "full" else f"{row['batch']:,}"


def training(results):
    rows = rows_of(results, "throughput")
    for net in dict.fromkeys(row["net"] for row in rows):
        yield f"## Training: {net}\n\nExamples a second; medians, more is better.\n"
        yield comparison(
            [row for row in rows if row["net"] == net],
            [("batch", batch), ("optimizer", lambda row: row["optimizer"])],
            [("share of the sgemm peak", share), ("program", program)],
        )


def others(results):
    rows = rows_of(results, "inference")
    if rows:
        yield "## Inference\n\nExamples a second; more is better.\n"
        yield comparison(rows, [("network", lambda row: row["net"]), ("batch", batch)])
    rows = rows_of(results, "first epoch")
    if rows:
        yield (
            "## First epoch\n\nSeconds in a fresh process from the first import to the end of the first epoch, "
            "reading the data left out; less is better. A cold cache holds nothing compiled, a warm one what an "
            "earlier process has compiled.\n"
        )
        yield comparison(
            rows,
            [("network", lambda row: row["net"]), ("batch", batch), ("cache", lambda row: row["cache"])],
            [("program", program)],
        )
    rows = rows_of(results, "memory")
    if rows:
        yield (
            "## Memory\n\nPeak in MB of full-batch training above what is resident with libraries, data and "
            "weights in place; less is better.\n"
        )
        yield comparison(
            rows, [("network", lambda row: row["net"]), ("examples", lambda row: f"{row['examples']:,}")]
        )
    rows = rows_of(results, "time to 98%")
    if rows:
        yield "## Time to 98% on MNIST's test images\n\nSeconds of training, compiled before; less is better.\n"
        yield comparison(
            rows,
            [("way", lambda row: row["way"]), ("setting", lambda row: row["setting"])],
            [("epochs", epochs)],
        )
        yield best_ways(rows)


def epochs(row):
    return ", ".join(
        f"{one['label']} {one['epochs']}" + ("" if one["reached"] else " (not reached)")
        for one in row["contenders"].values()
    )


def best_ways(rows):
    """Every contender's best setting, in each way and over all."""
    lines = []
    for way in [*dict.fromkeys(row["way"] for row in rows), "any way"]:
        best = {}
        for row in rows:
            for name, one in row["contenders"].items():
                if way in (row["way"], "any way") and one["reached"]:
                    best[name] = min(best.get(name, (float("inf"), "")), (one["median"], row["setting"]))
        for name, (seconds, setting) in best.items():
            lines.append([way, CONTENDERS[name].label, setting, number(seconds)])
    return "The best of each:\n\n" + table(["way", "contender", "setting", "seconds"], lines)


def equality(results):
    rows = rows_of(results, "equal")
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row["distances"]))
    yield (
        "## The same computation\n\nDistance of each contender's weights from those of gpunet's reference program "
        "after an epoch from the same start, as a share of the way that they have come.\n"
    )
    lines = [
        [row["case"], *(f"{row['distances'][n]:.0e}" if n in row["distances"] else "–" for n in names)]
        for row in rows
    ]
    yield table(["case", *names], lines)


def of_device(machine):
    """What the figures were made on, beside the processor."""
    if "gpu" not in machine:
        kernels = ", ".join(machine["sgemm_gflops"]["kernels"]) or "?"
        return [f"- OpenBLAS core type: {machine['openblas_coretype']}; kernels in use: {kernels}."]
    gpu, copy = machine["gpu"], machine["sgemm_gflops"]["copy_terabytes"]
    return [
        f"- {gpu['name']}, {gpu['memory']}, driver {gpu['driver']}; it copies {copy:.2f} TB/s, bytes read and written."
    ]


def about(results):
    suite = results["suite"]
    machine, peak = suite["machine"], suite["machine"]["sgemm_gflops"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"# Benchmarks: {machine['backend']}, {machine['date']}"
        + (" (quick mode)" if machine["quick"] else ""),
        "",
        f"- {machine['processor']}, {machine['system']}, {machine['threads']} threads for every contender, float32.",
        *of_device(machine),
        f"- `sgemm` peak, {peak['blas']}'s BLAS, {peak['size']}³: {peak['best']:.0f} GFLOP/s "
        f"(median {peak['median']:.0f}).",
        f"- {versions}.",
        *(f"- Data, {name}: {said}." for name, said in suite["data"].items()),
        *(f"- {label} is left out: {why}." for label, why in suite["absent"].items()),
    ]
    for one in results["benchmarks"]:
        info = one["extra_info"]
        lines += [
            f"- {one['name']}: {CONTENDERS[n].label} failed: {e}" for n, e in info.get("errors", {}).items()
        ]
        lines += [
            f"- {one['name']}: without {CONTENDERS[n].label}: {e}."
            for n, e in info.get("left_out", {}).items()
        ]
    lines += [
        "",
        "Ratios are medians over interleaved rounds, taken round by round, with the smallest and largest in brackets. "
        "“Times better” is that ratio against the best peer, the one against whom it is lowest; below 1 it leads.",
        "",
    ]
    return "\n".join(lines)


def page(results):
    """The whole report in Markdown."""
    parts = [about(results), *training(results), *others(results), *equality(results)]
    return "\n".join(parts)


def write(path):
    """Page and chart for one file of results; the paths written."""
    path = Path(path)
    results = json.loads(path.read_text())
    written = [path.with_suffix(".md")]
    written[0].write_text(page(results))
    rows = [row for row in rows_of(results, "throughput") if row["optimizer"] == "plain"]
    if rows:
        machine = results["suite"]["machine"]
        written += chart.draw(
            rows, machine, path.parent, "throughput-gpu" if "gpu" in machine else "throughput"
        )
    return written


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument(
        "results", nargs="?", type=Path, help="a JSON file; the newest in results/ without it"
    )
    path = parser.parse_args().results
    if path is None:
        stored = sorted(RESULTS.glob("*.json"), key=lambda one: one.stat().st_mtime)
        if not stored:
            parser.error("no results yet: run pytest benchmarks --backend numpy")
        path = stored[-1]
    for one in write(path):
        print(one)


if __name__ == "__main__":
    main()
