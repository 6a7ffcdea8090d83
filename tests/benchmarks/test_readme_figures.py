"""The README's figures are those of the stored results."""

import re

import pytest

from benchmarks import readme
from benchmarks.report import RESULTS

README = readme.README.read_text(encoding="utf-8")


def test_the_readme_has_the_newest_figures():
    assert readme.updated(README) == README, "run python -m benchmarks.readme"


def test_another_figure_is_noticed():
    other = README.replace(" × JAX scan", " × Keras", 1)
    assert other != README
    assert readme.updated(other) == README


@pytest.mark.parametrize(("ratio", "text"), [(14.31, "14"), (9.96, "10.0"), (2.04, "2.0"), (0.222, "0.22")])
def test_ratios(ratio, text):
    assert readme.times(ratio) == text


def test_each_implementation_has_its_fastest_setting():
    settings = [
        {"gpunet": (1.0, True), "jax_scan": (5.0, True)},
        {"gpunet": (2.0, True), "jax_scan": (3.0, True)},
        {"gpunet": (0.5, False), "jax_scan": (0.5, False)},  # ended below 98%
    ]
    rows = [
        {name: {"median": seconds, "reached": reached} for name, (seconds, reached) in one.items()}
        for one in settings
    ]
    stored = [{"extra_info": {"kind": "time to 98%", "implementations": one}} for one in rows]
    assert readme.time_to_98({"benchmarks": stored}) == ["1 s", "3.0 × JAX scan"]


def test_what_was_not_measured_is_a_dash():
    assert readme.speed(None, "s") == ["–", "–"]


def test_ranks_on_public_tables():
    """The README's sentence, and that of benchmarks/README.md, have the ranks of the stored page."""
    page = (RESULTS / "tables-accuracy.md").read_text(encoding="utf-8")
    linear, mlp, trees, ours = re.findall(r"\*\*(\d\.\d\d)\*\*", page)
    assert re.search(r"^\| table .* \| linear \| MLP \| HistGradientBoosting \| gpunet \|$", page, re.M)
    tables = re.search(r"^(\d+) tables\.", page, re.M)[1]
    about = " ".join((RESULTS.parent / "README.md").read_text(encoding="utf-8").split())
    for text in (" ".join(README.split()), about):
        assert f"{tables} public tables" in text or f"over {tables} tables" in text
        for rank in (linear, mlp, trees, ours):
            assert rank in text
