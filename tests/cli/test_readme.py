"""The commands, scripts and paths in README.md work."""

import re
import tomllib
from pathlib import Path

import pytest

import gpunet as gn

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
    for extra in re.findall(r'"\.\[(\w+)\]"', README):
        assert extra in project["project"]["optional-dependencies"]


def test_the_first_script_runs(process, tmp_path):
    script = blocks("python")[0]
    assert len(script.splitlines()) <= 12
    child = process("-c", script, cwd=tmp_path, env={"GPUNET_BACKEND": "numpy"})
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert float(re.search(r"^test accuracy: (0\.\d+)$", out, re.M)[1]) >= 0.95
    assert re.fullmatch(r"\d", out.splitlines()[-1])


def test_the_script_for_tables_runs(process, tmp_path):
    rows = [f"{4 + k % 5},{('red', 'blue')[k % 2]},{('iris', 'rose', 'lily')[k % 3]}" for k in range(90)]
    (tmp_path / "flowers.csv").write_text("\n".join(["height,color,species", *rows]) + "\n")
    child = process("-c", blocks("python")[1], cwd=tmp_path, env={"GPUNET_BACKEND": "numpy"})
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert re.search(r"'accuracy': [^\n]*\n\['(iris|rose|lily)'\]$", out.strip())


def test_the_training_script_runs_and_goes_on(process, tmp_path):
    """Run again, it returns what it has done; scikit-learn's networks take the same data."""
    training, estimator = blocks("python")[2:4]
    outputs = []
    for script in (training, f"{training}\n{estimator}"):
        child = process("-c", script, cwd=tmp_path, env={"GPUNET_BACKEND": "numpy"})
        out, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
        assert err == ""
        outputs.append(out.splitlines())
    assert outputs[1][:-1] == outputs[0]
    assert "precision" in outputs[0][0]
    assert float(outputs[1][-1]) >= 0.95
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run.csv"}


def test_functions_of_ones_own_run(process, tmp_path):
    child = process("-c", blocks("python")[4] + "\nprint(net.epochs_trained)", cwd=tmp_path)
    out, err = child.communicate(timeout=300)
    assert out.strip() == "5", err


def test_a_backend_in_an_afternoon(process, tmp_path):
    """Its file beside an entry point, as an installed package has them."""
    pytest.importorskip("array_api_strict")
    (tmp_path / "gpunet_mine.py").write_text(blocks("python")[-1] + "\n")
    points = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]["gpunet.backends"]
    about = tmp_path / "gpunet_mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gpunet-mine\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in points.items()]
    (about / "entry_points.txt").write_text("\n".join(["[gpunet.backends]", *lines]) + "\n")

    child = process("-m", "gpunet", "info", path=[str(tmp_path)])
    out, err = child.communicate(timeout=300)
    assert re.search(r"^  mine +usable on cpu$", out, re.M), err
    child = process(
        "-m", "gpunet", "train", "--backend", "mine", "--epochs", 20, "--hidden", 32, path=[str(tmp_path)]
    )  # fmt: skip
    out, err = child.communicate(timeout=300)
    assert float(re.search(r"^test accuracy: (0\.\d+)$", out, re.M)[1]) >= 0.9, err


def test_what_it_shows_of_errors():
    X, y, *_ = gn.datasets.digits()
    net = gn.Network([gn.Dense(10, "softmax")], inputs=64, backend="numpy")
    message = blocks("text")[0].splitlines()[0].removeprefix("ValueError: ")
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(X.T, y)


def test_the_files_that_it_names_exist():
    root = Path(__file__).parents[2]
    for place in re.findall(r"`((?:gpunet|backends|benchmarks|tests)/[\w./]*)`", README):
        assert (root / place).exists(), place
    for image in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (root / image).exists(), image
