"""gpunet/lecture/CLAIMS.md is the list of all claims: complete, and in step with code, tests and experiments."""

import re
from itertools import chain
from pathlib import Path

import pytest

import gpunet.lecture
from gpunet.lecture import EXPERIMENTS

ROOT = Path(__file__).parents[2]
PAGE = Path(gpunet.lecture.__file__).with_name("CLAIMS.md")
NUMBERS = [f"C{k}" for k in range(1, 23)]


def listed():
    """Title and text of each claim of the page."""
    found = re.split(
        r"^### (C\d+) (.+)$", PAGE.read_text(encoding="utf-8").partition("\n## Sources")[0], flags=re.M
    )
    numbers = found[1::3]
    assert numbers == NUMBERS  # each one once, in order
    return {
        number: (title, text) for number, title, text in zip(numbers, found[2::3], found[3::3], strict=True)
    }


CLAIMS = listed()


def cited(text):
    """Claims that a file cites, ranges such as "C19 to C21" included; test names such as ``test_c09_c10_``."""
    found = {f"C{int(number)}" for number in re.findall(r"(?<![\w.])C(\d{1,2})\b(?!\+\+)", text)}
    for first, last in re.findall(r"\bC(\d{1,2}) to C(\d{1,2})\b", text):
        found |= {f"C{k}" for k in range(int(first), int(last) + 1)}
    for name in re.findall(r"def test_((?:c\d+_)+)", text):
        found |= {f"C{int(number)}" for number in re.findall(r"\d+", name)}
    return found


def citations():
    """File → claims that it cites, over the framework, its backends and the tests."""
    files = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in ("gpunet", "backends", "tests"))
    # The experiments' own tests try numbers that do not exist.
    files = (path for path in files if path.name not in ("test_lecture_command.py", Path(__file__).name))
    return {path.relative_to(ROOT).as_posix(): cited(path.read_text(encoding="utf-8")) for path in files}


CITED = citations()


def paths(number, what):
    """Files on the line "- Code:" or "- Tests:" of a claim."""
    lines = re.findall(rf"^- {what}: (.+(?:\n  .+)*)$", CLAIMS[number][1], flags=re.M)
    assert len(lines) == 1, f"{number} needs one line '- {what}: …'"
    return re.findall(r"`([^`]+)`", lines[0])


def test_every_cited_claim_is_listed_and_every_listed_one_is_cited():
    unknown = {
        path: sorted(numbers - set(NUMBERS)) for path, numbers in CITED.items() if numbers - set(NUMBERS)
    }
    assert unknown == {}
    for folder in ("gpunet/", "tests/claims/"):
        there = set().union(*(numbers for path, numbers in CITED.items() if path.startswith(folder)))
        assert there == set(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_has_a_sentence_an_equation_code_and_tests(number):
    title, text = CLAIMS[number]
    assert title[0].isupper()
    assert text.strip()[0].isalpha()
    assert re.search(r"^    \S", text, flags=re.M)
    code, tests = paths(number, "Code"), paths(number, "Tests")
    assert code
    assert all(path.startswith("gpunet/") for path in code)
    assert f"tests/claims/{tests[0].rpartition('/')[2]}" == tests[0]
    for path in (*code, *tests):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("number", NUMBERS)
def test_the_named_code_cites_it(number):
    assert [path for path in paths(number, "Code") if number not in CITED[path]] == []


@pytest.mark.parametrize("number", NUMBERS)
def test_the_named_tests_test_it(number):
    named = paths(number, "Tests")
    assert number in CITED[named[0]]
    names = re.findall(r"def test_((?:c\d+_)+)", (ROOT / named[0]).read_text(encoding="utf-8"))
    assert any(f"c{int(number[1:]):02}_" in name for name in names)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_named_experiments_show_it(number):
    [line] = re.findall(r"^- Experiments: (.+)$", CLAIMS[number][1], flags=re.M)
    assert set(line.split(", ")) == {one.name for one in EXPERIMENTS if number in one.claims}


def test_citations_are_found():
    assert cited("(C2, C19 to C21) test_c09 Conv C C100 C++") == {"C2", "C19", "C20", "C21"}
    assert cited("def test_c03_c4_x():") == {"C3", "C4"}
