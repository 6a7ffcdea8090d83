"""The commands, scripts and paths in README.md work."""

import re
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return [body.strip() for body in re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)]


def test_the_first_two_blocks_are_the_two_commands():
    first, second = blocks("bash")[:2]
    assert "\n" not in first
    assert "\n" not in second
    assert first.startswith("pip install ")
    assert first.endswith("&& gpunet train digits")
    assert second.startswith("pip install ")
    assert "python -m pytest" in second
    assert "torch" not in second
    assert "jax" not in second


def test_every_extra_that_it_names_exists():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].keys()
    installed = ",".join(re.findall(r'"\.\[([\w,]+)\]"', README)).split(",")
    assert {*installed, *re.findall(r"extra `(\w+)`", README)} <= extras


def test_the_first_script_runs(process, tmp_path):
    script = blocks("python")[0]
    assert len(script.splitlines()) <= 12
    child = process("-c", script, cwd=tmp_path, env={"GPUNET_BACKEND": "numpy"})
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert float(re.search(r"^test accuracy: (0\.\d+)$", out, re.M)[1]) >= 0.95
    assert re.fullmatch(r"\d", out.splitlines()[-1])


def test_the_estimators_run_after_the_first_script(process, tmp_path):
    first, _, estimator = blocks("python")
    child = process("-c", f"{first}\n{estimator}", cwd=tmp_path, env={"GPUNET_BACKEND": "numpy"})
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert float(out.splitlines()[-1]) >= 0.95


def test_the_script_for_tables_runs(process, tmp_path):
    rows = [f"{4 + k % 5},{('red', 'blue')[k % 2]},{('iris', 'rose', 'lily')[k % 3]}" for k in range(90)]
    (tmp_path / "flowers.csv").write_text("\n".join(["height,color,species", *rows]) + "\n")
    child = process("-c", blocks("python")[1], cwd=tmp_path, env={"GPUNET_BACKEND": "numpy"})
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert re.search(r"'accuracy': [^\n]*\n\['(iris|rose|lily)'\]$", out.strip())


PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "benchmarks/README.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_pages_name_exist(page):
    root = Path(__file__).parents[2]
    text = (root / page).read_text(encoding="utf-8")
    for place in re.findall(r"`((?:gpunet|backends|benchmarks|docs|tests|\.ci)/[\w./-]*)`", text):
        assert (root / place).exists(), place
    folder = (root / page).parent
    for place in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text):
        assert (folder / place).exists(), place


def test_it_can_be_read_in_a_few_minutes():
    prose = re.sub(r"```.*?```|^\|.*?$", "", README, flags=re.M | re.S)
    assert len(prose.split()) <= 850
