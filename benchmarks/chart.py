"""The chart: throughput against batch size, one line a contender, labelled where it ends."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import CONTENDERS

FULL = 60_000
# Okabe and Ito's colours, told apart with any kind of colour vision; gpunet has the strongest. One library's second
# line is dashed.
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
GAP = 0.062  # between labels, as a share of the axis' height


def apart(heights, gap):
    """The heights moved up or down until they are `gap` apart, in their order and close to where they were."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = [heights[i] for i in order]
    for _ in range(200):
        for k in range(1, len(placed)):
            short = gap - (placed[k] - placed[k - 1])
            if short > 1e-9:
                placed[k - 1] -= short / 2
                placed[k] += short / 2
        placed[0], placed[-1] = max(placed[0], 0.0), min(placed[-1], 1.0)
    result = [0.0] * len(heights)
    for k, i in enumerate(order):
        result[i] = placed[k]
    return result


def lines(rows):
    """``{name: (batch sizes, throughputs)}`` of one network."""
    found = {}
    for row in rows:
        size = FULL if row["batch"] == "full" else row["batch"]
        for name, one in row["contenders"].items():
            if name in COLOUR:
                sizes, rates = found.setdefault(name, ([], []))
                sizes.append(size)
                rates.append(one["median"])
    return found


def panel(axes, title, found):
    """One network."""
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
    axes.set(xscale="log", yscale="log", xlabel="batch size")
    axes.set_title(title, loc="left", fontsize=15)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(["full" if size == FULL else f"{size:,}" for size in sizes])
    axes.grid(axis="y", color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)
    label(axes, found)


def label(axes, found):
    """Names to the right of the axis, a thin line leading from each curve's end."""
    names = list(found)
    axes.autoscale_view()
    to_share = axes.transData + axes.transAxes.inverted()
    ends = [to_share.transform((found[name][0][-1], found[name][1][-1])) for name in names]
    heights = apart([height for _, height in ends], GAP)
    for name, (x, y), height in zip(names, ends, heights, strict=True):
        axes.annotate(
            CONTENDERS[name].label,
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


def draw(rows, machine, folder, stem):
    """Write ``<stem>.png`` and ``<stem>.svg``; their paths."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "gpunet", "svg.fonttype": "none", "font.size": 13}):
        from matplotlib.figure import Figure

        nets = list(dict.fromkeys(row["net"] for row in rows))
        whole = [row["net"] for row in rows if row["batch"] == "full"]  # without it, a curve of a few points
        nets = [net for net in nets if net in whole and not net.startswith("needle")] or nets
        figure = Figure(figsize=(7.2 * len(nets), 5.6), layout="constrained")
        panels = figure.subplots(1, len(nets), squeeze=False)[0]
        for axes, net in zip(panels, nets, strict=True):
            panel(axes, net, lines([row for row in rows if row["net"] == net]))
        panels[0].set_ylabel("training examples a second")
        on = (
            machine["gpu"]["name"]
            if "gpu" in machine
            else f"{machine['processor']}, {machine['threads']} threads"
        )
        figure.suptitle(
            f"Plain descent, float32, {on}",
            fontsize=12,
            color="#555555",
        )
        paths = [Path(folder) / f"{stem}.{kind}" for kind in ("png", "svg")]
        figure.savefig(paths[0], dpi=110)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths
