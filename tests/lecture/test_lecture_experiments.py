"""Every script runs where it is copied to, with public names alone, and has a figure that a phone can show."""

import ast
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

import gpunet.lecture
from gpunet.lecture import EXPERIMENTS, Result, find

NAMES = [one.name for one in EXPERIMENTS]
PHONE = 368  # pixels: the width of a figure on a screen of 400


def test_every_claim_of_the_lecture_has_an_experiment():
    covered = {claim for one in EXPERIMENTS for claim in one.claims}
    assert covered == {f"C{k}" for k in range(1, 23)}


def test_they_are_in_the_order_of_the_lecture():
    first = [int(one.claims[0][1:]) for one in EXPERIMENTS]
    assert first == sorted(first)


@pytest.mark.parametrize("one", EXPERIMENTS, ids=NAMES)
def test_scripts_use_public_names_alone_and_do_not_draw(one):
    tree = ast.parse(one.path.read_text(encoding="utf-8"))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
            if node.module == "gpunet.lecture":
                assert {alias.name for alias in node.names} <= set(gpunet.lecture.__all__)
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
    ours = {module for module in modules if module.split(".")[0] not in sys.stdlib_module_names}
    assert ours == {"numpy", "gpunet", "gpunet.lecture"} - ({"numpy"} if "numpy" not in ours else set())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shapes", "momentum"])
def test_a_copy_runs_alone_as_a_program(name, tmp_path):
    """Outside the checkout, in a new process, with nothing else in the folder; matplotlib is not imported."""
    [one] = find(name)
    copy = tmp_path / one.path.name
    copy.write_text(f"{one.source}\nimport sys\nassert 'matplotlib' not in sys.modules\n", encoding="utf-8")
    paths = [path for path in sys.path if path and Path(path) != Path.cwd() / "tests"]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(copy)],
        cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": ":".join(paths)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for value in one.run(seed=0).values:
        assert value in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_copy_returns_values_and_sentences(run, name):
    result = run(name)
    assert isinstance(result, Result)
    assert len(result.values) >= 3
    for value in result.values.values():
        for number in value if isinstance(value, list) else [value]:
            assert isinstance(number, str) or math.isfinite(number)
    assert len(result.observation) > 60
    text = result.observation + result.mistake
    assert not re.search(r"nan|(?<!\w)-\d|\de[-+]\d", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["needle", "softmax", "backprop", "depth", "starts", "check"])
def test_the_effect_of_mistakes_in_the_notes_is_shown(run, name):
    assert "notes" in run(name).mistake


@pytest.mark.slow
@pytest.mark.parametrize("one", EXPERIMENTS, ids=NAMES)
def test_the_figure_is_legible_on_a_phone(figure, one):
    drawn = figure(one.name)
    assert drawn.axes
    assert len(one.alt) > 60
    scale = PHONE / (72 * drawn.get_figwidth())
    drawn.canvas.draw()
    width, height = drawn.canvas.get_width_height()
    texts = [text for text in drawn.findobj(Text) if text.get_text().strip() and text.get_visible()]
    shown = [text for text in texts if text.get_window_extent().width > 0]
    assert len(shown) >= 2
    for text in shown:
        assert text.get_fontsize() * scale >= 11, text.get_text()
    for axes in drawn.axes:  # labels of lines stand outside their axes: the figure holds them too
        for text in axes.texts:
            box = text.get_window_extent()
            assert box.x0 >= -1, text.get_text()
            assert box.x1 <= width + 1, text.get_text()
            assert box.y0 >= -1, text.get_text()
            assert box.y1 <= height + 1, text.get_text()


def agrees(run, name, backend):
    [one] = find(name)
    got, expected = one.run(backend=backend, seed=0).values, run(name).values
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        if not isinstance(value, str) and "difference" not in key and "distance" not in key:
            np.testing.assert_allclose(got[key], value, rtol=2e-2, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shapes", "depth", "momentum"])
def test_small_ones_agree_on_every_backend(run, name, backend):
    if (name, backend.name) == ("depth", "jax"):
        pytest.skip("compiling takes most of the time, of networks with so many layers")
    agrees(run, name, backend.name)


@pytest.mark.slow
def test_saturated_units_agree_on_another_backend(run):
    """The longest of the small ones. What is extreme on the other backends, `tests/core/test_activations.py` sees."""
    pytest.importorskip("torch")
    agrees(run, "saturation", "torch")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_values(run):
    [one] = find("regression")
    assert one.run(seed=0).values == run("regression").values
    assert one.run(seed=1).values != run("regression").values
