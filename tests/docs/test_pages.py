"""Every code block of the site's pages runs, from the top of a page to its end."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from markdown_blocks import as_script, blocks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)
SCRIPTS = {str(path.relative_to(ROOT)): as_script(path.read_text(encoding="utf-8")) for path in PAGES}
OPTIONAL = (
    "array_api_strict",
    "fastapi",
    "onnx",
    "onnxruntime",
    "optuna",
    "pandas",
    "polars",
    "sklearn",
    "torch",
)


@pytest.mark.parametrize("page", [page for page, script in SCRIPTS.items() if script])
def test_a_page_runs(page, tmp_path):
    script = SCRIPTS[page]
    for name in OPTIONAL:
        if re.search(rf"^\s*(import|from) {name}\b", script, re.M):
            pytest.importorskip(name)
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "backends")))
    (tmp_path / "page.py").write_text(script, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", "page.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr


def test_pages_say_why_a_block_is_not_run():
    reasons = {
        (path.name, block.not_run)
        for path in PAGES
        for block in blocks(path.read_text(encoding="utf-8"))
        if block.not_run
    }
    assert len(reasons) <= 6, reasons
    assert all(len(why) > len("Not run: ") for _, why in reasons)


@pytest.mark.parametrize("text", ["```python\n1 / 0\n```\n", "```console\n$ gpunet no-such-command\n```\n"])
def test_a_block_that_fails_is_noticed(text, tmp_path):
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "backends")))
    command = [sys.executable, "-c", as_script(text)]
    assert (
        subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True).returncode != 0
    )


@pytest.mark.parametrize(
    "text", ["```console\n$ make\n```\n", "```bash\nrm -r x\n```\n", "```ruby\nputs 1\n```\n"]
)
def test_a_block_that_nothing_runs_is_refused(text):
    with pytest.raises(ValueError, match="not"):
        as_script(text)


def test_toml_with_a_mistake_is_refused():
    with pytest.raises(tomllib.TOMLDecodeError):
        as_script("```toml\nkey = \n```\n")


def test_every_extra_that_pages_name_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    for path in PAGES:
        for names in re.findall(r'"\.\[([\w,]+)\]"', path.read_text(encoding="utf-8")):
            assert set(names.split(",")) <= extras.keys(), path


def test_the_sources_that_pages_name_exist():
    for path in PAGES:
        for place in re.findall(
            r"`((?:gpunet|backends|benchmarks|tests)/[\w./-]*)`", path.read_text(encoding="utf-8")
        ):
            assert (ROOT / place).exists(), f"{path}: {place}"


def test_modules_that_are_optional_are_asked_for():
    """A page that imports what a checkout may lack must be in OPTIONAL: the test would fail, not skip."""
    known = {*OPTIONAL, *sys.stdlib_module_names, "gpunet", "numpy", "scipy"}
    for page, script in SCRIPTS.items():
        named = set(re.findall(r"^\s*(?:import|from) (\w+)", script, re.M))
        assert named <= known, page
