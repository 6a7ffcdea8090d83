"""The page has no external resources, and a description of every figure."""

import html.parser
import re

import pytest

from gpunet.lecture import EXPERIMENTS
from gpunet.lecture.docstring import equation, inline, sections


class Tags(html.parser.HTMLParser):
    """All tags with their attributes, and whether what is opened is closed."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def tags(page):
    parser = Tags()
    parser.feed(page)
    assert parser.open == []
    return parser.tags


def test_nothing_is_loaded_from_elsewhere(page, tags):
    assert "http:" not in page
    assert "https:" not in page
    assert not {"link", "script", "iframe", "object"} & {tag for tag, _ in tags}
    assert "@import" not in page
    assert "url(" not in page
    for tag, attributes in tags:
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith("data:" if tag == "img" else "#")


def test_every_figure_is_described(tags):
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 4
    assert all(len(attributes["alt"]) > 60 for attributes in images)


def test_each_section_has_claim_equation_values_and_command(page):
    for name, claim in (("saturation", "C11"), ("momentum", "C20")):
        section = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert f"<b>{claim}</b>" in section
        assert 'class="equations"' in section
        assert "<table>" in section
        assert f"gpunet lecture {name} --backend numpy --seed 0" in section
        assert "def run(" in section
    assert '<tr class="mistake">' in section
    assert "<aside>" in section


def test_the_lecture_and_its_claims_are_introduced(page):
    header = page.partition("<header>")[2].partition("</header>")[0]
    for words in ("CS229", "numbered C1 to C22", "gpunet/lecture/CLAIMS.md", "seed 0"):
        assert words in " ".join(header.split())


def test_it_has_styles_for_phones_and_paper(page):
    assert 'name="viewport"' in page
    assert "@media print" in page


@pytest.mark.parametrize("one", EXPERIMENTS, ids=lambda one: one.name)
def test_every_docstring_has_all_sections(one):
    text = sections(one.text)
    assert text.summary.endswith(".")
    assert text.equations
    assert [name for name, _ in text.claims]
    assert {name for name, _ in text.claims} <= set(one.claims)
    assert one.source.startswith(("from ", "import "))


def test_superscripts_and_subscripts():
    assert inline("W[l+1] δ[L]") == "W<sup>[l+1]</sup> δ<sup>[L]</sup>"
    assert inline("y_k and e^{−z}, 1.5^L") == "y<sub>k</sub> and e<sup>−z</sup>, 1.5<sup>L</sup>"
    assert inline("L = −[ y ] & a < b") == "L = −[ y ] &amp; a &lt; b"
    assert equation("a < log b") == "<i>a</i> &lt; log <i>b</i>"
    assert not re.search(r"<[^>]*<", equation("W[l] ← W[l] − α ∂J/∂W[l]"))
