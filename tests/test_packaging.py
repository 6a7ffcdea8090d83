"""What is said about the package in more than one place is the same everywhere."""

import tomllib
from pathlib import Path

import pytest

import gpunet as gn

ROOT = Path(__file__).parents[1]


@pytest.fixture
def yaml():
    return pytest.importorskip("yaml")


@pytest.fixture
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def recipe(yaml):
    return yaml.safe_load((ROOT / ".conda" / "recipe.yaml").read_text(encoding="utf-8"))


def test_the_conda_recipe_has_the_version(recipe):
    assert recipe["context"]["version"] == gn.__version__


def test_the_conda_recipe_has_the_dependencies(recipe, project):
    conda = {f"python {project['requires-python']}", *project["dependencies"]}
    assert {line.replace(" >=", ">=") for line in recipe["requirements"]["run"]} == {
        line.replace(" >=", ">=") for line in conda
    }
    (hatchling,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"][
        "requires"
    ]
    assert hatchling.replace(">=", " >=") in recipe["requirements"]["host"]


def test_the_conda_recipe_says_what_pyproject_says(recipe, project):
    assert recipe["package"]["name"] == project["name"]
    assert recipe["about"]["summary"] == project["description"]
    assert recipe["about"]["license"] == project["license"]
    assert recipe["build"]["python"]["entry_points"] == [f"{k} = {v}" for k, v in project["scripts"].items()]


def test_the_conda_recipe_imports_every_package_of_the_wheel(recipe):
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    packages = {Path(folder).name for folder in wheel["wheel"]["packages"]}
    assert set(recipe["tests"][0]["python"]["imports"]) == packages


def test_the_citation(yaml, project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["title"] == project["name"]
    assert citation["license"] == project["license"]
    assert "version" not in citation  # that of the copy that was used is in gpunet.__version__
