"""Formulas as MathML, which browsers show without a script."""

from docutils.nodes import SkipNode
from experiments import equations_by_latex
from latex2mathml.converter import convert

from gpunet.lecture import equations

EXPERIMENTS = equations_by_latex()


def inline(translator, node):
    translator.body.append(convert(node.astext(), display="inline"))
    raise SkipNode


def block(translator, node):
    text = node.astext().strip()
    if text in EXPERIMENTS:  # in pieces, between which a narrow page breaks the line
        formula = equations.mathml(EXPERIMENTS[text])
    else:
        formula = convert(text, display="block")
    translator.body.append(f'<div class="equation">{formula}</div>')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True}
