"""Pages, charts and single figures from the results that are stored in ``benchmarks/results``.

No figure of a measurement is typed into a page: a page says ``{{ blocked_sgd }}``, and the sentence comes from here.
Where nothing is stored it says so.
"""

from pathlib import Path

from benchmarks import chart, report, result_file
from benchmarks.peers import IMPLEMENTATIONS
from benchmarks.report import number
from gpunet.lecture.figures import matplotlib

DOCS = Path(__file__).parents[1]
RESULTS = DOCS.parent / "benchmarks" / "results"
PAGES = DOCS / "generated" / "benchmarks"
SHALLOW, DEEP, NOISY = "784-256-10, sigmoid", "784-512-256-10, ReLU", "784-256-10, no zeros in the data"


def stored():
    """``(name, results)`` of the suite's runs, the newest first."""
    found = [(path.stem, result_file.read(path)) for path in RESULTS.glob("*.json")]
    suites = [(name, results) for name, results in found if "suite" in results]
    return sorted(suites, key=lambda one: (one[1]["suite"]["machine"]["date"], one[0]), reverse=True)


def on_gpu(results):
    return "gpu" in results["suite"]["machine"]


def machine(results):
    about = results["suite"]["machine"]
    if on_gpu(results):
        return about["gpu"]["name"]
    return f"{about['processor']}, {about['threads']} threads"


def cell(kind, gpu, **wanted):
    """The newest stored row of a kind with these entries, and what it was measured on; None if there is none."""
    for _, results in stored():
        if on_gpu(results) is not gpu:
            continue
        for row in result_file.rows_of(results, kind):
            if wanted.items() <= row.items() and report.precision(row) == "float32":
                return row, f"{machine(results)}, {results['suite']['machine']['date']}"
    return None


def throughput(gpu, net, batch, optimizer="plain"):
    return cell("throughput", gpu, net=net, batch=batch, optimizer=optimizer)


def median(row, name="gpunet"):
    return row["implementations"][name]["median"]


def against_best(row):
    """ "5.4 times JAX scan, the fastest of the others"."""
    best = row["best_peer"]
    return (
        f"{row['ratios'][best]['median']:.1f} times {IMPLEMENTATIONS[best].label}, the fastest of the others"
    )


def rate_sentence(found, what):
    """Throughput of one cell against the best peer, as a sentence; empty if it is not stored."""
    if found is None:
        return ""
    row, where = found
    return f"Measured: {number(median(row))} examples per second {what}, {against_best(row)} ({where})."


def sparse_sentence():
    """MNIST, and the same images with noise on every pixel."""
    pairs = [(throughput(False, SHALLOW, batch), throughput(False, NOISY, batch)) for batch in (1, 128)]
    parts = [
        f"{number(median(zeros[0]))} examples per second on MNIST, and {number(median(noisy[0]))} on the same images "
        f"with noise on every pixel, at batch size {zeros[0]['batch']} ({zeros[1]})"
        for zeros, noisy in pairs
        if zeros and noisy and zeros[1] == noisy[1]
    ]
    return f"Measured: {'; '.join(parts)}." if parts else ""


def memory_sentence():
    found = cell("memory", False, examples=60_000)
    if found is None:
        return ""
    row, where = found
    peers = ", ".join(
        f"{one['label']} {number(one['median'])} MB"
        for name, one in row["implementations"].items()
        if name != "gpunet"
    )
    return (
        f"Measured: a full batch of 60,000 images takes {number(median(row))} MB above data and weights; {peers} "
        f"({where})."
    )


def peak_sentence():
    found = throughput(True, DEEP, "full")
    if found is None or "fraction_of_peak" not in found[0]["implementations"]["gpunet"]:
        return ""
    row, where = found
    fraction = row["implementations"]["gpunet"]["fraction_of_peak"]
    return (
        f"Measured: full batches train at {number(median(row))} examples per second, which is {fraction:.0%} of what "
        f"the GPU's own float32 products (cuBLAS `sgemm`) reach, and {against_best(row)} ({where})."
    )


def notes():
    """What the stored results themselves say of later changes, as a list."""
    lines = [f"- {name}: {note}" for name, results in stored() for note in results["suite"].get("notes", [])]
    return "\n".join(lines)


def substitutions():
    """The single figures, by the names that the pages use."""
    found = {
        "blocked_sgd": rate_sentence(throughput(False, NOISY, 1), "with one example per update"),
        "sparse_rows": sparse_sentence(),
        "full_batch_memory": memory_sentence(),
        "resident_weights": rate_sentence(throughput(True, SHALLOW, 32), "in batches of 32"),
        "matrix_units": peak_sentence(),
        "notes": notes(),
    }
    # A substitution must not be empty.
    return {name: text or "(No measurement is stored.)" for name, text in found.items()}


def charts(name, results):
    """An SVG per network with a full-batch case, narrow enough for a phone; ``[(title, file name)]``."""
    rows = [
        row
        for row in result_file.rows_of(results, "throughput")
        if row["optimizer"] == "plain" and report.precision(row) == "float32"
    ]
    style = {"svg.hashsalt": "gpunet", "svg.fonttype": "none", "font.size": 13, "font.family": "sans-serif"}
    drawn = []
    with matplotlib().rc_context(style):
        from matplotlib.figure import Figure

        for k, net in enumerate(chart.networks_to_draw(rows) if rows else []):
            figure = Figure(figsize=(6.2, 5.0), layout="constrained")
            axes = figure.subplots()
            chart.draw_panel(axes, net, chart.curves([row for row in rows if row["net"] == net]))
            axes.set_ylabel("training examples per second")
            file = f"{name}-{k}.svg"
            figure.savefig(PAGES / file, metadata={"Date": None})
            drawn.append((net, file))
    return drawn


def page(name, results):
    """The report's own page, with the charts after its introduction."""
    text = report.page(results)
    introduction, found, rest = text.partition("\n## ")
    images = [
        f"```{{image}} {file}\n:alt: Training throughput against batch size, {net}: a curve per implementation; the "
        "tables have the figures\n:class: chart\n```\n"
        for net, file in charts(name, results)
    ]
    return "\n".join([introduction, *images]) + found + rest


def write_pages(app):
    """A page for each stored run, before Sphinx looks for pages; those without a file of figures are as they stand."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for old in PAGES.iterdir():
        old.unlink()
    for path in RESULTS.glob("20*.md"):
        if not path.with_suffix(".json").exists():
            (PAGES / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    for name, results in stored():
        (PAGES / f"{name}.md").write_text(page(name, results), encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write_pages, priority=100)
    return {"parallel_read_safe": True}
