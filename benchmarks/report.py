"""A page of tables and a chart from stored results: ``python -m benchmarks.report [results.json]``.

Writes a Markdown page beside the JSON, and ``throughput.png`` and ``throughput.svg``; for a GPU, ``throughput-gpu.…``;
and ``cores.…`` if numbers of cores were compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import chart, result_file
from benchmarks.peers import IMPLEMENTATIONS
from benchmarks.result_file import rows_of

RESULTS = Path(__file__).parent / "results"


def number(value):
    """Three significant digits, thousands separated by commas."""
    if value >= 1000:
        unit = 10 ** (len(str(int(value))) - 3)
        return f"{int(round(value / unit) * unit):,}"
    return f"{value:.3g}"


def markdown_table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def ratio_cells(row):
    """The best peer, and gpunet's ratio to it: median, smallest and largest."""
    best = row["best_peer"]
    if best is None:
        return ["–", "–"]
    ratio = row["ratios"][best]
    return [IMPLEMENTATIONS[best].label, f"**{ratio['median']:.2f}** ({ratio['min']:.2f}–{ratio['max']:.2f})"]


def median_cells(row, names):
    """The median of each implementation, or what became of it."""
    cells = []
    for name in names:
        if name in row["implementations"]:
            cells.append(number(row["implementations"][name]["median"]))
        else:
            cells.append("failed" if name in row["errors"] else "–")
    return cells


def comparison(rows, first, last=()):
    """A table with a column per implementation.

    Parameters
    ----------
    rows : list of dict
    first, last : sequence of ``(title, callable (row) -> value)``
        Further columns on the left and on the right.
    """
    names = [
        name
        for name in IMPLEMENTATIONS
        if any(name in row["implementations"] or name in row["errors"] for row in rows)
    ]
    header = [
        *(title for title, _ in first),
        *(IMPLEMENTATIONS[name].label for name in names),
        "best peer",
        "times better",
        *(title for title, _ in last),
    ]
    lines = [
        [
            *(str(cell(row)) for _, cell in first),
            *median_cells(row, names),
            *ratio_cells(row),
            *(str(cell(row)) for _, cell in last),
        ]
        for row in rows
    ]
    return markdown_table(header, lines)


def network(row):
    return row["net"]


def batch(row):
    size = row["batch"] if row["batch"] == "full" else f"{row['batch']:,}"
    return f"{size}, run of {row['run_epochs']:,} epochs" if row.get("run_epochs") else size


def fraction_of_peak(row):
    fraction = row["implementations"]["gpunet"].get("fraction_of_peak")
    return "–" if fraction is None else f"{fraction:.0%}"


def precision(row):
    return row.get("precision", "float32")


def program(row):
    return row["implementations"]["gpunet"].get("program", "–")


def epochs(row):
    return ", ".join(
        f"{one['label']} {one['epochs']}" + ("" if one["reached"] else " (not reached)")
        for one in row["implementations"].values()
    )


def training(results):
    rows = rows_of(results, "throughput")
    for net in dict.fromkeys(row["net"] for row in rows):
        yield f"## Training: {net}\n\nExamples per second; medians, more is better.\n"
        yield comparison(
            [row for row in rows if row["net"] == net],
            [("batch", batch), ("optimizer", lambda row: row["optimizer"]), ("precision", precision)],
            [("% of sgemm peak", fraction_of_peak), ("program", program)],
        )


def cores(results):
    rows = rows_of(results, "cores")
    for net, size in dict.fromkeys((row["net"], row["batch"]) for row in rows):
        some = [row for row in rows if (row["net"], row["batch"]) == (net, size)]
        first = min(some, key=lambda row: row["cores"])
        yield f"## Cores: {net}, batch {batch(first)}\n\nExamples per second in training; medians, more is better.\n"
        yield comparison(
            some, [("cores", lambda row: row["cores"])], [(f"gpunet / {first['cores']} core", times(first))]
        )


def times(first):
    """How many times as fast as in the row `first` gpunet is in another."""
    return lambda row: f"{gpunet_median(row) / gpunet_median(first):.2f}"


def gpunet_median(row):
    return row["implementations"]["gpunet"]["median"]


def inference(results):
    if rows := rows_of(results, "inference"):
        yield "## Inference\n\nExamples per second; more is better.\n"
        where = ("rows on", lambda row: row.get("where", "device"))
        yield comparison(rows, [("network", network), ("batch", batch), where])


def first_epoch(results):
    if rows := rows_of(results, "first epoch"):
        yield (
            "## First epoch\n\nSeconds in a new process from the first import to the end of the first epoch, without "
            "reading the data; less is better. A cold cache holds nothing compiled, a warm one what an earlier "
            "process has compiled.\n"
        )
        yield comparison(
            rows,
            [("network", network), ("batch", batch), ("cache", lambda row: row["cache"])],
            [("program", program)],
        )


def estimators(results):
    if rows := rows_of(results, "estimators"):
        yield (
            "## Estimators\n\nSeconds of a whole `fit` with the same parameters; less is better. Import, first fit and "
            "what it compiles are not counted.\n"
        )
        yield comparison(
            rows,
            [
                ("case", lambda row: row["case"]),
                ("rows", lambda row: f"{row['rows']:,}"),
                ("X", lambda row: row["dtype"]),
            ],
            [("import and first fit", import_and_first_fit), ("program", program)],
        )


def import_and_first_fit(row):
    return ", ".join(
        f"{one['label']} {number(one['importing'])} and {number(one['first_fit'])} s"
        for one in row["implementations"].values()
    )


def memory(results):
    if rows := rows_of(results, "memory"):
        yield (
            "## Memory\n\nPeak in MB of full-batch training above what is resident with libraries, data and weights "
            "loaded; less is better.\n"
        )
        yield comparison(rows, [("network", network), ("examples", lambda row: f"{row['examples']:,}")])


def peak_and_matrix(row):
    return ", ".join(
        f"{one['label']} {number(one['peak'])} ({number(one['weights'])} of weights)"
        for one in row["implementations"].values()
    )


def sparse(results):
    if rows := rows_of(results, "sparse"):
        texts = rows[0]["texts"]
        yield (
            f"## Sparse rows\n\nSeconds of an epoch; less is better. {texts['texts']:,} functions and classes of "
            f"Python {texts['python']}'s standard library as TF-IDF of words and pairs of words: in a row "
            f"{texts['entries']:.0f} of {texts['features']:,} numbers are entries. The class is the module. Peak: MB "
            "of `fit` above what is resident before.\n"
        )
        yield comparison(
            rows,
            [("network", network), ("batch", batch), ("MB of X", lambda row: number(matrix(row)))],
            [("peak", peak_and_matrix), ("program", program)],
        )


def percent(spread):
    return f"{spread['median']:.2%} ({spread['min']:.2%} to {spread['max']:.2%})"


def milliseconds(spread):
    return f"{1e3 * spread['median']:.1f} ({1e3 * spread['min']:.1f} to {1e3 * spread['max']:.1f})"


def safeguards(results):
    if rows := rows_of(results, "safeguards"):
        yield (
            "## Safeguards\n\nWhat a checkpoint takes of a run's time, and the share of a run without checkpoints that "
            "is not updates: checks that losses and weights are finite, the orders of the examples, the history. "
            "Medians, smallest and largest of interleaved runs.\n"
        )
        yield markdown_table(
            [
                "network",
                "batch",
                "optimizer",
                "a checkpoint, ms",
                "at one a minute",
                "outside of updates",
                "program",
            ],
            [
                [
                    network(row),
                    batch(row),
                    row["optimizer"],
                    milliseconds(row["checkpoint"]),
                    percent(row["at_one_a_minute"]),
                    percent(row["outside_updates"]),
                    row["program"],
                ]
                for row in rows
            ],
        )


def streams(results):
    if rows := rows_of(results, "streams"):
        yield (
            "## Data in a file\n\nSeconds of an epoch on images of uint8, standardised, that are read from a "
            "memory-mapped file while the network trains, and on the same in memory; less is better. The file is in "
            "the page cache. Medians, smallest and largest of interleaved runs. Memory: MB at most beside what was "
            "there before.\n"
        )
        yield markdown_table(
            [
                *("network", "batch", "optimizer", "examples", "MB of the file"),
                *("in memory", "from the file", "slower", "memory", "program"),
            ],
            [
                [
                    *(network(row), batch(row), row["optimizer"], f"{row['examples']:,}"),
                    f"{row['file']:.0f}",
                    *(with_spread(row[name]) for name in ("memory", "stream", "ratio")),
                    f"{row['peak']:.0f}",
                    row["program"],
                ]
                for row in rows
            ],
        )


def with_spread(value):
    return f"{value['median']:.3g} ({value['min']:.3g}–{value['max']:.3g})"


def matrix(row):
    return row["implementations"]["gpunet"]["matrix"]


def time_to_98(results):
    if rows := rows_of(results, "time to 98%"):
        yield "## Time to 98% on MNIST's test images\n\nSeconds of training without compilation; less is better.\n"
        yield comparison(
            rows,
            [("method", lambda row: row["method"]), ("setting", lambda row: row["setting"])],
            [("epochs", epochs)],
        )
        yield best_settings(rows)


def best_settings(rows):
    """Each implementation's fastest setting, per method and over all."""
    lines = []
    for method in [*dict.fromkeys(row["method"] for row in rows), "any"]:
        best = {}
        for row in rows:
            for name, one in row["implementations"].items():
                if method in (row["method"], "any") and one["reached"]:
                    best[name] = min(best.get(name, (float("inf"), "")), (one["median"], row["setting"]))
        for name, (seconds, setting) in best.items():
            lines.append([method, IMPLEMENTATIONS[name].label, setting, number(seconds)])
    return "The fastest setting of each:\n\n" + markdown_table(
        ["method", "implementation", "setting", "seconds"], lines
    )


def equal_weights(results):
    if rows := rows_of(results, "equal"):
        labels = list(dict.fromkeys(label for row in rows for label in row["distances"]))
        yield (
            "## Equality of the trained weights\n\nDistance of each implementation's weights from those of gpunet's "
            "reference program after an epoch from the same initial weights, relative to how far training has moved "
            "them.\n"
        )
        lines = [
            [
                row["case"],
                *(f"{row['distances'][n]:.0e}" if n in row["distances"] else "–" for n in labels),
                row["program"],
            ]
            for row in rows
        ]
        yield markdown_table(["case", *labels, "gpunet's program"], lines)


def device_lines(machine):
    """The GPU; on a CPU, the kernels of OpenBLAS."""
    if "gpu" not in machine:
        kernels = ", ".join(machine["sgemm_gflops"]["kernels"]) or "?"
        return [f"- OpenBLAS core type: {machine['openblas_coretype']}; kernels in use: {kernels}."]
    gpu, copy = machine["gpu"], machine["sgemm_gflops"]["copy_terabytes"]
    return [
        f"- {gpu['name']}, {gpu['memory']}, driver {gpu['driver']}; memory bandwidth of a copy {copy:.2f} TB/s, bytes "
        "read plus bytes written."
    ]


def introduction(results):
    suite = results["suite"]
    machine, peak = suite["machine"], suite["machine"]["sgemm_gflops"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    on = (
        machine["gpu"]["name"]
        if "gpu" in machine
        else f"{machine['processor']}, {machine['threads']} threads"
    )
    lines = [
        f"# Benchmarks: {machine['backend']}, {on}, {machine['date']}"
        + (" (quick mode)" if machine["quick"] else ""),
        "",
        f"- {machine['processor']}, {machine['system']}, {machine['threads']} threads per implementation, float32.",
        *device_lines(machine),
        f"- `sgemm` peak, {peak['blas']}'s BLAS, {peak['size']}³: {peak['best']:.0f} GFLOP/s "
        f"(median {peak['median']:.0f}).",
        f"- {versions}.",
        *(f"- Data, {name}: {description}." for name, description in suite["data"].items()),
        *(f"- {label} is excluded: {reason}." for label, reason in suite["excluded"].items()),
        *(f"- {note}" for note in suite.get("notes", [])),  # added by hand
    ]
    for one in results["benchmarks"]:
        row = one["extra_info"]
        for name, error in row.get("errors", {}).items():
            lines.append(f"- {one['name']}: {IMPLEMENTATIONS[name].label} failed: {error}")
        for name, reason in row.get("unsupported", {}).items():
            lines.append(f"- {one['name']}: without {IMPLEMENTATIONS[name].label}: {reason}.")
    lines += [
        "",
        "Ratios are medians over interleaved rounds, taken round by round, with the smallest and largest in brackets. "
        "“Times better” is that ratio against the best peer, the one against which it is lowest; below 1 the peer is "
        "better.",
        "",
    ]
    return "\n".join(lines)


def page(results):
    """The whole report in Markdown."""
    sections = (
        *(training, cores, inference, first_epoch, estimators, memory, sparse),
        *(streams, safeguards, time_to_98, equal_weights),
    )
    return "\n".join([introduction(results), *(text for section in sections for text in section(results))])


def write(path):
    """Write page and chart for one file of results; the paths written."""
    path = Path(path)
    results = result_file.read(path)
    written = [path.with_suffix(".md")]
    written[0].write_text(page(results))
    rows = [
        row
        for row in rows_of(results, "throughput")
        if row["optimizer"] == "plain" and precision(row) == "float32"
    ]
    if rows:
        machine = results["suite"]["machine"]
        stem = "throughput-gpu" if "gpu" in machine else "throughput"
        written += chart.draw(rows, machine, path.parent, stem)
    if rows := rows_of(results, "cores"):
        written += chart.draw_cores(rows, results["suite"]["machine"], path.parent, "cores")
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
