"""The charts: throughput against batch size or cores, one curve per implementation, labelled at its right end."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import IMPLEMENTATIONS

FULL_BATCH = 60_000  # position of "full" on the axis
# Okabe and Ito's colours, which people with colour blindness can tell apart; gpunet has the strongest. The second
# curve of a library is dashed.
COLOUR = {
    "gpunet": "#D55E00",
    "jax_scan": "#0072B2",
    "jax_jit": "#56B4E9",
    "torch_eager": "#009E73",
    "torch_compiled": "#009E73",
    "torch_graph": "#CC79A7",
    "textbook": "#000000",
    "sklearn_mlp": "#CC79A7",
    "keras_fit": "#E69F00",
    "thinc_train": "#777777",
}
MARKER = dict(zip(COLOUR, "osDv^hxP*p", strict=True))
DASHED = ("torch_compiled", "jax_jit")
LABEL_DISTANCE = 0.062  # as a fraction of the height of the axes


def spread_out(heights, distance):
    """The heights, moved up or down until they are at least `distance` apart, in the same order."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    moved = [heights[i] for i in order]
    for _ in range(200):
        for k in range(1, len(moved)):
            missing = distance - (moved[k] - moved[k - 1])
            if missing > 1e-9:
                moved[k - 1] -= missing / 2
                moved[k] += missing / 2
        moved[0], moved[-1] = max(moved[0], 0.0), min(moved[-1], 1.0)
    result = [0.0] * len(heights)
    for k, i in enumerate(order):
        result[i] = moved[k]
    return result


def batch_size(row):
    return FULL_BATCH if row["batch"] == "full" else row["batch"]


def batch_text(size):
    return "full" if size == FULL_BATCH else f"{size:,}"


def curves(rows, place=batch_size):
    """``{name: (places, throughputs)}``, place being a row's on the horizontal axis."""
    found = {}
    for row in rows:
        size = place(row)
        for name, one in row["implementations"].items():
            if name in COLOUR:
                sizes, throughputs = found.setdefault(name, ([], []))
                sizes.append(size)
                throughputs.append(one["median"])
    return found


def draw_panel(axes, title, found, label="batch size", text=batch_text):
    """The curves of one network; `text` of a place is what stands below it."""
    from matplotlib.ticker import FixedLocator, NullLocator

    sizes = sorted({size for some, _ in found.values() for size in some})
    for name, (x, y) in found.items():
        ours = name == "gpunet"
        axes.plot(
            x,
            y,
            color=COLOUR[name],
            marker=MARKER[name],
            linestyle="--" if name in DASHED else "-",
            linewidth=3.5 if ours else 1.6,
            markersize=8 if ours else 5,
            zorder=3 if ours else 2,
        )
    axes.set(xscale="log", yscale="log", xlabel=label)
    axes.set_title(title, loc="left", fontsize=15)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([text(size) for size in sizes])
    axes.grid(axis="y", color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)
    draw_labels(axes, found)


def draw_labels(axes, found):
    """Names to the right of the axes, each with a thin line from the end of its curve."""
    names = list(found)
    axes.autoscale_view()
    to_fraction = axes.transData + axes.transAxes.inverted()
    ends = [to_fraction.transform((found[name][0][-1], found[name][1][-1])) for name in names]
    heights = spread_out([height for _, height in ends], LABEL_DISTANCE)
    for name, (x, y), height in zip(names, ends, heights, strict=True):
        axes.annotate(
            IMPLEMENTATIONS[name].label,
            (x, y),
            (1.07, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=COLOUR[name],
            fontsize=15 if name == "gpunet" else 12.5,
            fontweight="bold" if name == "gpunet" else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": COLOUR[name], "linewidth": 0.7, "relpos": (0, 0.5)},
        )


def networks_to_draw(rows):
    """Networks measured from single examples to full batches; not the tiny ones. If there are none, all networks."""
    batches = {}
    for row in rows:
        batches.setdefault(row["net"], set()).add(row["batch"])
    whole = [net for net, found in batches.items() if {1, "full"} <= found and not net.startswith("needle")]
    return whole or list(batches)


def draw(rows, machine, folder, stem):
    """Write ``<stem>.png`` and ``<stem>.svg``, a panel for each network; their paths."""
    nets = networks_to_draw(rows)
    panels = [(net, curves([row for row in rows if row["net"] == net])) for net in nets]
    processor = f"{machine['processor']}, {machine['threads']} threads"
    on = machine["gpu"]["name"] if "gpu" in machine else processor
    return save(panels, on, folder, stem)


def draw_cores(rows, machine, folder, stem):
    """The same against the number of cores, a panel for each network and batch size."""
    cases = dict.fromkeys((row["net"], batch_size(row)) for row in rows)
    panels = [
        (
            f"{net}, batch {batch_text(size)}",
            curves(
                [row for row in rows if (row["net"], batch_size(row)) == (net, size)],
                lambda row: row["cores"],
            ),
        )
        for net, size in cases
    ]
    return save(panels, machine["processor"], folder, stem, "cores", str)


def save(panels, on, folder, stem, *axis):
    """Write panels ``(title, curves)``, up to three in a row, with what they were measured `on`."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "gpunet", "svg.fonttype": "none", "font.size": 13}):
        from matplotlib.figure import Figure

        columns = min(len(panels), 3)
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(7.2 * columns, 5.6 * rows), layout="constrained")
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, found) in zip(places, panels, strict=False):
            draw_panel(axes, title, found, *axis)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        for axes in places[::columns]:
            axes.set_ylabel("training examples per second")
        figure.suptitle(f"Gradient descent without momentum, float32, {on}", fontsize=12, color="#555555")
        paths = [Path(folder) / f"{stem}.{kind}" for kind in ("png", "svg")]
        figure.savefig(paths[0], dpi=110)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths
