"""The page for those who add a backend: its backend works, and it names what gpunet needs of a library, and no more."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from markdown_blocks import blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "backend.md").read_text(encoding="utf-8")
DTYPES = {"bool", "int8", "int32", "float32", "float64"}


def test_the_page_names_what_is_used_of_the_standard():
    part = PAGE.partition("## What the library must have")[2].partition("## ")[0]
    named = set(re.findall(r"`(\w+)`", part.partition("of arrays:")[2]))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gpunet").rglob("*.py"))
    used = set(re.findall(r"\bxp\.([a-z]\w*)", sources))
    assert len(used) > 30
    assert named == used | DTYPES


@pytest.mark.slow
def test_its_backend_is_found_and_trains(tmp_path):
    """The file beside an entry point, as an installed package has them."""
    pytest.importorskip("array_api_strict")
    languages = {block.language: block.body for block in reversed(blocks(PAGE))}  # the first of each
    (tmp_path / "gpunet_mine.py").write_text(f"{languages['python']}\n")
    points = tomllib.loads(languages["toml"])["project"]["entry-points"]["gpunet.backends"]
    about = tmp_path / "gpunet_mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gpunet-mine\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in points.items()]
    (about / "entry_points.txt").write_text("\n".join(["[gpunet.backends]", *lines]) + "\n")

    def gpunet(*arguments):
        paths = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "backends")))
        command = [sys.executable, "-m", "gpunet", *arguments]
        run = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=300
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert re.search(r"^  mine +usable on cpu$", gpunet("info"), re.M)
    out = gpunet("train", "--backend", "mine", "--epochs", "20", "--hidden", "32")
    assert float(re.search(r"^test accuracy: (0\.\d+)$", out, re.M)[1]) >= 0.9
