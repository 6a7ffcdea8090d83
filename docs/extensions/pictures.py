"""The drawings of "How it is fast", as SVG within the page: the theme's colours, its font, and no file to load.

A page says ::

    ```{picture} blocks
    ```
"""

from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

WIDTH = 360  # of a phone's screen: text is drawn at the size at which it is read


class Drawing:
    """Shapes on a canvas of `WIDTH` × `height`; colours are classes of ``site.css``."""

    def __init__(self, height, alt):
        self.height, self.alt = height, alt
        self.shapes = []

    def box(self, x, y, width, height, colour="paper"):
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" class="{colour}"/>'
        )

    def text(self, x, y, words, anchor="middle", size=13):
        self.shapes.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'
        )

    def arrow(self, x1, y1, x2, y2):
        self.shapes.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="line" marker-end="url(#arrow-head)"/>'
        )

    def svg(self):
        head = (
            '<defs><marker id="arrow-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0 L8 4 L0 8 z" class="ink"/></marker></defs>'
        )
        return (
            f'<svg class="picture" viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(self.alt)}">'
            f"{head}{''.join(self.shapes)}</svg>"
        )


def blocks():
    """SGD one update at a time, and a block of updates."""
    d = Drawing(
        330,
        "Above: four updates in turn, each reading and writing all of the weights W. Below: one block of the same four "
        "updates. Two matrix products are computed once, small steps follow that use no weight of the first layer, and "
        "a last product adds all four updates to W.",
    )
    d.text(0, 16, "One update at a time: all of W, for each example", "start")
    for k in range(4):
        x = 4 + 90 * k
        d.box(x, 30, 14, 62, "data")
        d.text(x + 7, 108, f"x{'₁₂₃₄'[k]}", size=12)
        d.box(x + 28, 30, 50, 62, "weights")
        d.text(x + 53, 66, "W")
        d.arrow(x + 15, 61, x + 27, 61)
    d.text(0, 142, "A block of updates: W is read once and written once", "start")
    for k in range(4):
        d.box(4 + 13 * k, 160, 12, 62, "data")
    d.text(30, 240, "x₁ … x₄", size=12)
    d.arrow(60, 191, 78, 191)
    d.box(82, 160, 74, 28, "weights")
    d.text(119, 179, "P = W X")
    d.box(82, 194, 74, 28)
    d.text(119, 213, "G = Xᵀ X")
    d.arrow(160, 191, 178, 191)
    for k in range(4):
        d.box(184 + 18 * k, 160 + 15 * (3 - k), 16, 15 * (k + 1) + 2, "sum")
    d.text(219, 240, "4 small steps", size=12)
    d.arrow(258, 191, 276, 191)
    d.box(282, 160, 74, 62, "weights")
    d.text(319, 186, "W +")
    d.text(319, 204, "D Xᵀ")
    d.text(0, 280, "Violet: all of W, a matrix product.", "start", 12)
    d.text(0, 298, "Green: corrections for the earlier updates of the block,", "start", 12)
    d.text(0, 316, "entries of G times the errors of those updates.", "start", 12)
    return d


def zeros():
    """An example with few numbers other than 0, as a list."""
    d = Drawing(
        250,
        "An example of sixteen numbers, of which four are not zero. Beside it the list of their positions and values. "
        "Of the weights, only the four columns at these positions are read.",
    )
    filled = {2: ".7", 3: ".9", 9: ".4", 12: ".8"}
    d.text(0, 16, "An example x: most of its numbers are 0", "start")
    for k in range(16):
        d.box(4 + 22 * k, 28, 20, 22, "data" if k in filled else "paper")
        d.text(14 + 22 * k, 44, filled.get(k, "0"), size=11)
    d.text(0, 82, "The list that is kept", "start")
    for row, (label, cells) in enumerate((("position", filled), ("value", filled.values()))):
        d.text(4, 106 + 26 * row, label, "start", 12)
        for k, cell in enumerate(cells):
            d.box(70 + 40 * k, 92 + 26 * row, 36, 20, "data")
            d.text(88 + 40 * k, 107 + 26 * row, str(cell), size=12)
    d.text(0, 172, "The columns of W that are read and changed", "start")
    for k in range(16):
        d.box(4 + 22 * k, 184, 20, 56, "weights" if k in filled else "paper")
    return d


def chunks():
    """A large batch, a chunk at a time."""
    d = Drawing(
        230,
        "A tall batch of examples, cut into chunks. One chunk at a time goes through the forward and the backward "
        "pass, in arrays that fit in the cache, and is added to one gradient, which updates the weights at the end.",
    )
    d.text(0, 16, "A batch of m examples", "start")
    for k in range(7):
        d.box(4, 28 + 26 * k, 92, 24, "data" if k == 2 else "paper")
        d.text(50, 45 + 26 * k, "chunk" if k == 2 else "…", size=12)
    d.arrow(100, 92, 126, 92)
    d.text(192, 48, "fits in the cache", size=12)
    d.box(130, 56, 124, 72, "sum")
    d.text(192, 88, "forward")
    d.text(192, 108, "and backward")
    d.arrow(258, 92, 282, 92)
    d.box(286, 64, 70, 56, "weights")
    d.text(321, 88, "∂J/∂W")
    d.text(321, 108, "+ its part")
    d.text(130, 164, "J is a sum over the examples,", "start", 12)
    d.text(130, 182, "and so is its gradient: one update", "start", 12)
    d.text(130, 200, "after the last chunk.", "start", 12)
    return d


def resident():
    """A kernel per operation, and one for the whole epoch."""
    d = Drawing(
        300,
        "Above: a kernel for each operation. For every update, weights travel from the GPU's memory to its "
        "multiprocessors and back. Below: one kernel for an epoch. The weights stay in the multiprocessors, and only "
        "the examples travel.",
    )
    for row, (title, several) in enumerate(
        (("A kernel per operation", True), ("One kernel for an epoch", False))
    ):
        y = 150 * row
        d.text(0, y + 16, title, "start")
        d.box(4, y + 28, 352, 34)
        d.text(12, y + 50, "memory", "start", 12)
        d.box(72, y + 34, 70, 22, "data")
        d.text(107, y + 50, "X", size=12)
        if several:
            d.box(200, y + 34, 70, 22, "weights")
            d.text(235, y + 50, "W", size=12)
        d.box(4, y + 92, 352, 38)
        d.text(12, y + 115, "processors", "start", 12)
        d.arrow(107, y + 62, 107, y + 91)
        if several:
            for k in range(4):
                d.arrow(
                    206 + 18 * k,
                    *((y + 62, 206 + 18 * k, y + 91) if k % 2 else (y + 92, 206 + 18 * k, y + 63)),
                )
        else:
            for k in range(3):
                d.box(150 + 66 * k, y + 99, 58, 24, "weights")
                d.text(179 + 66 * k, y + 116, "part of W", size=11)
    return d


def parts():
    """A float32 number as three bfloat16 parts, and the products of parts that are summed."""
    d = Drawing(
        280,
        "A float32 number has 24 significant bits; three bfloat16 numbers of 8 bits each hold all of them. Of the nine "
        "products of parts of two numbers, the six largest are computed on the matrix units and summed in float32.",
    )
    d.text(0, 16, "A float32 number a: 24 significant bits", "start")
    d.box(4, 26, 352, 24, "sum")
    d.text(0, 76, "a = a₁ + a₂ + a₃: three bfloat16 numbers, 8 bits each", "start")
    for k, colour in enumerate(("weights", "data", "paper")):
        d.box(4 + 118 * k, 86, 116, 24, colour)
        d.text(62 + 118 * k, 103, f"a{'₁₂₃'[k]}", size=12)
    d.text(0, 140, "a · b: six products of parts, the largest ones", "start")
    for i in range(3):
        for j in range(3):
            used = i + j < 3
            d.box(4 + 62 * j, 152 + 38 * i, 60, 34, "weights" if used else "paper")
            d.text(34 + 62 * j, 174 + 38 * i, f"a{'₁₂₃'[i]}b{'₁₂₃'[j]}" if used else "–", size=12)
    d.text(204, 172, "The rest are below the", "start", 12)
    d.text(204, 190, "error of a float32 product.", "start", 12)
    d.text(204, 220, "Sums are float32.", "start", 12)
    return d


PICTURES = {one.__name__: one for one in (blocks, zeros, chunks, resident, parts)}


class Picture(SphinxDirective):
    """One of the drawings, by its name."""

    required_arguments = 1

    def run(self):
        return [nodes.raw("", PICTURES[self.arguments[0]]().svg(), format="html")]


def setup(app):
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True}
