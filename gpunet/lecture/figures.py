"""The style of the figures: colours that colour-blind people can distinguish, labels at the lines.

matplotlib is imported when a figure is made, and its global state is not changed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from gpunet.installation import install_command

# Okabe and Ito's palette (2008), without the yellow, which is too pale for lines.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#222222", "#767676"
COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
TEXT_COLOUR = {ORANGE: "#8F6200", SKY: "#1B6CA0", PURPLE: "#9C4A78"}  # darker, for text
SIGNED = "PuOr_r"  # weights: one colour below 0, another above, white at 0

WIDTH = 4.8  # inches: on a screen of 400 pixels, 12-point text is about 12 pixels high
STYLE = {
    "font.size": 12.0,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 12.0,
    "axes.labelsize": 12.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlelocation": "left",
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "lines.linewidth": 2.0,
    "text.color": BLACK,
    "axes.labelcolor": BLACK,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "mathtext.default": "regular",
}


def matplotlib() -> Any:
    """The module, or an ImportError that says how to install it."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            "the lecture needs matplotlib, which is not installed; install it with: "
            f"{install_command('plot')}"
        ) from error
    return matplotlib


def style() -> AbstractContextManager[Any]:
    """The context in which figures are drawn and saved."""
    context: AbstractContextManager[Any] = matplotlib().rc_context(STYLE)
    return context


def panels(
    columns: int = 1, rows: int = 1, height: float = 3.3, heights: Sequence[float] | None = None
) -> tuple[Any, list[Any]]:
    """A figure and its axes, row by row."""
    matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    return figure, list(axes.flat)


def blank(height: float) -> Any:
    """A figure without axes, to be divided by the caller."""
    figure, _ = panels(height=height)
    figure.clear()
    return figure


def image(axes: Any, values: Any, signed: bool = False, limit: float | None = None) -> None:
    """Draw a (height, width) array: from white to black, or signed values with white at 0."""
    values = np.asarray(values)
    if signed:
        limit = float(np.abs(values).max()) if limit is None else limit
        axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
    else:
        axes.imshow(values, cmap="gray_r", vmin=0.0, vmax=limit)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.8)


def note(axes: Any, x: float, y: float, text: str, colour: str = BLACK, **more: Any) -> None:
    """Write text at data coordinates, in the colour of what it names."""
    axes.text(x, y, text, color=TEXT_COLOUR.get(colour, colour), **more)


def label(
    axes: Any, x: float, y: float, text: str, colour: str = BLACK, lift: float = 0.0, ha: str = "center"
) -> None:
    """Write text at a point of a line, `lift` points above it."""
    axes.annotate(
        text,
        (x, y),
        (0, lift),
        textcoords="offset points",
        color=TEXT_COLOUR.get(colour, colour),
        ha=ha,
        va="center",
        annotation_clip=False,
    )


def at_end(axes: Any, x: Any, y: Any, text: str, colour: str, lift: float = 0.0) -> None:
    """Label a line at its right end; `lift` moves the label up, in points."""
    axes.annotate(
        text,
        (x[-1], y[-1]),
        (5, lift),
        textcoords="offset points",
        color=TEXT_COLOUR.get(colour, colour),
        va="center",
        annotation_clip=False,
    )


def png(figure: Any) -> bytes:
    """The figure as the bytes of a PNG file."""
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
