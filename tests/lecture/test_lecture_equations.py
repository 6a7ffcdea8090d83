"""Equations: from the plain text of the docstrings to LaTeX, and to MathML that breaks only between terms."""

import builtins
import re
import xml.etree.ElementTree as ElementTree

import pytest

from gpunet.installation import install_command
from gpunet.lecture import EXPERIMENTS
from gpunet.lecture.docstring import sections
from gpunet.lecture.equations import latex, mathml

EQUATIONS = [line for one in EXPERIMENTS for line in sections(one.text).equations]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("δ[l] = (W[l+1]ᵀ δ[l+1]) ∘ g′(Z[l])", r"\delta ^{[l]} = (W^{[l+1]\top} \delta ^{[l+1]}) \circ  g′(Z^{[l]})"),
        ("∂J/∂b[l] = Σ_i δ[l](i)", r"\partial J/\partial b^{[l]} = \sum _{i} \delta ^{[l](i)}"),
        ("ŷ = c^L x, a² ≤ ¼", r"\hat{y} = c^{L} x, a^2 \le  \frac{1}{4}"),
        ("He: std √(2/n[l−1])", r"\text{ He }: \text{ std } \sqrt{2/n^{[l-1]}}"),
        ("√(6/(n + m)) x", r"\sqrt{6/(n + m)} x"),
        ("y log ŷ + log(1 − ŷ)", r"y \,\log\,  \hat{y} + \log(1 - \hat{y})"),
        ("λ_max and h = 10⁻⁶", r"\lambda _{\max} \text{ and } h = 10^{-6}"),
        ("J = (1/m) Σ_i L(i)", r"J = (1/m) \sum _{i} L^{(i)}"),
        ("ŷ = softmax(z)", r"\hat{y} = \mathrm{softmax}(z)"),
    ],
)  # fmt: skip
def test_latex(text, expected):
    assert latex(text) == expected


def spans(text):
    """The tree of an equation's HTML, and its pieces: the texts of MathML elements and words."""
    tree = ElementTree.fromstring(f"<div>{mathml(text)}</div>")
    return tree, ["".join(math.itertext()) for math in tree.iter("math")]


@pytest.mark.parametrize("text", EQUATIONS)
def test_nothing_is_lost(text):
    tree, pieces = spans(text)
    assert pieces
    assert not list(tree.iter("merror"))
    letters = re.findall(r"[A-Za-zŷσδαβθλμ∂∇]", text)
    shown = "".join(tree.itertext())
    found = re.findall(r"[A-Za-zŷσδαβθλμ∂∇]", re.sub("y[\u0302^ˆ]", "ŷ", shown))
    assert sorted(found) == sorted(letters)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Z[l] = W[l] A[l−1] + b[l]", ["Z[l]=W[l]A[l-1]", "+b[l]"]),
        ("W ← (1 − αλ) W − α x", ["W←(1", "-αλ)W", "-αx"]),
        ("a = b + c,  d is e", ["a=b", "+c,", "d", "e"]),
        ("a = b = c / d", ["a=b", "=c/d"]),
        ("|a − b| − c", ["|a", "-b|", "-c"]),
    ],
)
def test_lines_break_before_operators_and_after_commas_not_in_terms(text, expected):
    pieces = [re.sub(r"\s", "", piece).replace("−", "-").replace("∣", "|") for piece in spans(text)[1]]
    assert pieces == expected


def test_what_is_between_brackets_is_nested():
    tree, _ = spans("L = −[ y + (1 − z) ] + u,  v = w")
    assert [len(list(part.iter("math"))) for part in tree] == [4, 1]
    first = tree[0]
    assert [part.tag for part in first] == ["span", "math"]  # breaks before + u first
    assert [part.tag for part in first[0]] == ["math", "span"]  # then before + (1 − z)
    assert [part.tag for part in first[0][1]] == ["math", "math"]


def test_without_latex2mathml_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "latex2mathml":
            raise ImportError("No module named 'latex2mathml'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError) as error:
        mathml("x")
    assert install_command("lecture") in str(error.value)
