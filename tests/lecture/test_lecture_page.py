"""The page stands alone: no network, no other file, words for every picture."""

import html.parser
import re

import pytest

from gpunet.lecture import find
from gpunet.lecture.equation import equation, inline, parts
from gpunet.lecture.experiments import EXPERIMENTS
from gpunet.lecture.figures import png, style
from gpunet.lecture.page import Done, page


class Tags(html.parser.HTMLParser):
    """All tags with their attributes, and whether what is opened is closed."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self):
        super().__init__()
        self.seen, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text():
    done = []
    for one in (*find("saturation"), *find("momentum")):
        result = one.run()
        with style():
            done.append(Done(one, result, png(result.picture)))
    return page(done, "numpy", 0, "0.1.0")


@pytest.fixture(scope="module")
def tags(text):
    parser = Tags()
    parser.feed(text)
    assert parser.open == []
    return parser.seen


def test_nothing_is_loaded_from_elsewhere(text, tags):
    assert "http:" not in text
    assert "https:" not in text
    assert not {"link", "script", "iframe", "object"} & {tag for tag, _ in tags}
    assert "@import" not in text
    assert "url(" not in text
    for tag, attributes in tags:
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith("data:" if tag == "img" else "#")


def test_every_picture_has_words(tags):
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) == 2
    assert all(len(attributes["alt"]) > 60 for attributes in pictures)


def test_each_section_has_claim_equation_figures_and_command(text):
    for name, claim in (("saturation", "C11"), ("momentum", "C20")):
        section = text.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert f"<b>{claim}</b>" in section
        assert 'class="equations"' in section
        assert "<table>" in section
        assert f"gpunet lecture {name} --backend numpy --seed 0" in section
        assert "def run(" in section
    assert '<tr class="slip">' in section
    assert "<aside>" in section


def test_it_fits_phones_and_paper(text):
    assert 'name="viewport"' in text
    assert "@media print" in text


@pytest.mark.parametrize("one", EXPERIMENTS, ids=lambda one: one.name)
def test_every_docstring_has_all_parts(one):
    words = parts(one.text)
    assert words.lead.endswith(".")
    assert words.equations
    assert [name for name, _ in words.claims]
    assert {name for name, _ in words.claims} <= set(one.claims)
    assert one.source.startswith(("from ", "import "))


def test_indices_are_raised_and_lowered():
    assert inline("W[l+1] δ[L]") == "W<sup>[l+1]</sup> δ<sup>[L]</sup>"
    assert inline("y_k and e^{−z}, 1.5^L") == "y<sub>k</sub> and e<sup>−z</sup>, 1.5<sup>L</sup>"
    assert inline("L = −[ y ] & a < b") == "L = −[ y ] &amp; a &lt; b"
    assert equation("a < log b") == "<i>a</i> &lt; log <i>b</i>"
    assert not re.search(r"<[^>]*<", equation("W[l] ← W[l] − α ∂J/∂W[l]"))
