"""The figure of ``shapes``."""

from typing import Any

from gpunet.lecture import figures

ALT = """One row of rectangles per layer, drawn to scale: W[l] times A[l−1] plus b[l] is Z[l]. The width of
each W is the height of the A beside it."""


def draw(sizes: list[int], m: int) -> Any:
    """Draw Z[l] = W[l] A[l−1] + b[l] to scale, one row per layer."""
    figure, [axes] = figures.panels(height=3.9)
    top = 0.0
    for l in range(1, len(sizes)):
        n, before = sizes[l], sizes[l - 1]
        middle, left = top - before / 2, 0.0
        blocks = (
            (f"W[{l}]", n, before, figures.ORANGE, ""),
            (f"A[{l - 1}]", before, m, figures.SKY, "×"),
            (f"b[{l}]", n, 1, figures.PURPLE, "+"),
            (f"Z[{l}]", n, m, figures.GREEN, "="),
        )
        for name, height, width, colour, sign in blocks:
            if sign:
                axes.text(left + 8, middle, sign, ha="center", va="center", fontsize=14)
                left += 16
            axes.add_patch(_rectangle((left, middle - height / 2), width, height, colour))
            inside = min(width, height) > 30
            x, y = left + width / 2, middle if inside else middle - height / 2 - 1.5
            text = f"{name}\n{height} × {width}"
            axes.text(x, y, text, ha="center", va="center" if inside else "top", fontsize=11)
            left += width
        top -= max(before, 30) + 16
    axes.set(xlim=(-2, 200), ylim=(top + 2, 2), aspect="equal")
    axes.axis("off")
    return figure


def _rectangle(corner: tuple[float, float], width: float, height: float, colour: str) -> Any:
    """Return a patch."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=colour, alpha=0.55, edgecolor=figures.BLACK)
