"""The page for those who add a backend names what gpunet needs of their library, and no more."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DTYPES = {"bool", "int8", "int32", "float32", "float64"}


def test_the_page_names_what_is_used_of_the_standard():
    page = (ROOT / "docs" / "how-to" / "backend.md").read_text(encoding="utf-8")
    part = page.partition("## What the library must have")[2].partition("## ")[0]
    named = set(re.findall(r"`(\w+)`", part.partition("of arrays:")[2]))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gpunet").rglob("*.py"))
    used = set(re.findall(r"\bxp\.([a-z]\w*)", sources))
    assert len(used) > 30
    assert named == used | DTYPES
