"""Two checkouts against each other: made-up ones, whose training times are known."""

import pytest

from benchmarks import compare
from benchmarks.compare_cells import CELLS

GPUNET = '''
"""As much of gpunet's public interface as the comparison may use."""
import numpy as np
from types import SimpleNamespace

def Dense(units, activation): pass
def GradientDescent(learning_rate, momentum=0.0): pass
def Adam(learning_rate): pass

class Network:
    def __init__(self, layers, inputs, seed, backend): self.fits = 0
    def fit(self, X, y, *, optimizer, epochs, batch_size):
        self.fits += 1
        seconds = {seconds} * (1 + self.fits % 2)  # every other sample takes twice as long
        return SimpleNamespace(seconds=[seconds] * epochs, program="{program}")
    def predict(self, X): return np.full((len(X), 10), {output})
'''


def checkout(folder, **values):
    package = folder / "gpunet"
    package.mkdir(parents=True)
    text = GPUNET
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    (package / "__init__.py").write_text(text)
    return folder


@pytest.fixture
def old(tmp_path):
    return checkout(tmp_path / "old", seconds=0.5, program="slow", output=0.25)


@pytest.fixture
def new(tmp_path):
    return checkout(tmp_path / "new", seconds=0.125, program="fast", output=0.5)


def test_the_ratio_is_new_over_old(old, new):
    figures = compare.measure(CELLS["tiny-32"], [old, new], rounds=3, sample_seconds=0.05)
    assert figures["ratios"] == [0.25] * 3  # within a round, and not across rounds
    assert figures["seconds"][0] == 4 * figures["seconds"][1]
    assert figures["difference"] == 0.25
    assert figures["programs"] == ["slow", "fast"]


def test_the_table(old, new, capsys):
    options = ["--cells", "tiny-1", "predict-dense-sigmoid-1", "--rounds", "1", "--sample-seconds", "0.001"]
    assert compare.main([str(old), str(new), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| tiny-1 | ") and "**0.250** (0.250–0.250)" in lines[2]
    assert lines[2].endswith("| slow → fast |")
    assert lines[3].startswith("| predict-dense-sigmoid-1 | ")
    assert {line.count("|") for line in lines} == {10}


def test_a_checkout_that_fails_is_reported(old, new, capsys):
    (new / "gpunet" / "__init__.py").write_text("from pathlib import nothing")
    assert compare.main([str(old), str(new), "--cells", "tiny-1"]) == 1
    assert "| tiny-1 | failed: its process ended" in capsys.readouterr().out


def test_a_folder_without_gpunet_is_refused(old, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises((SystemExit, compare.MeasurementFailed), match=r"no package gpunet|process ended"):
        compare.measure(CELLS["tiny-1"], [tmp_path / "empty", old], rounds=1, sample_seconds=0.01)


def test_cells_by_pattern():
    assert compare.matching(["*"]) == list(CELLS)
    assert compare.matching(["tiny-*"]) == ["tiny-1", "tiny-32"]
    with pytest.raises(SystemExit, match="no cell is called nothing"):
        compare.matching(["tiny-1", "nothing"])
    assert {
        "sparse-sigmoid-full",
        "dense-relu-1000",
        "sparse-relu-128-adam",
        "predict-sparse-relu-100",
    } <= set(CELLS)
