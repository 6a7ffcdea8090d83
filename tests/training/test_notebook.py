"""What a notebook shows: a real one, run by a kernel."""

import os
import sys

import pytest

pytestmark = pytest.mark.slow

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

SETUP = """
import matplotlib.pyplot as plt
import numpy as np
import gpunet as gn

rng = np.random.default_rng(0)
X = rng.standard_normal((600, 3))
y = (X[:, 0] > 0).astype(int)
network = gn.Network([gn.Dense(4, "relu"), gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
"""
FIT = "history = network.fit(X, y, epochs=3, validation_data=(X, y), progress=True)"
CELLS = {
    "fit": FIT,
    "network": "network",
    "history": "history",
    "plot": "history.plot()",
    "kept": "figure = history.plot()",
    "shown": "plt.show()",
    "stopped": "history = network.fit(X, y, epochs=9, progress=True, callbacks=lambda net, history: True)",
}


def run(monkeypatch, setup):
    """The outputs of each cell, and the states of the widgets."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    cells = [nbformat.v4.new_code_cell(text) for text in (setup, *CELLS.values())]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert not notebook.cells[0].outputs
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    outputs = {name: cell.outputs for name, cell in zip(CELLS, notebook.cells[1:], strict=True)}
    return outputs, [one["state"] for one in states.get("state", {}).values()]


def check_objects(outputs):
    """HTML of a network and a history, and one figure where a cell ends with it."""
    for name, word in (("network", "<td>1 relu</td>"), ("history", "<td>validation accuracy</td>")):
        (output,) = outputs[name]
        assert word in output["data"]["text/html"]
    (figure,) = outputs["plot"]
    assert figure["output_type"] == "execute_result"
    assert "image/png" in figure["data"]
    assert outputs["kept"] == outputs["shown"] == []


def test_with_widgets(monkeypatch):
    pytest.importorskip("ipywidgets")
    outputs, states = run(monkeypatch, SETUP)
    check_objects(outputs)
    (bar,) = outputs["fit"]
    assert "application/vnd.jupyter.widget-view+json" in bar["data"]
    texts = [str(state["value"]) for state in states if "value" in state]
    assert any("epoch 3/3 100%" in text.replace("\u2007", " ") for text in texts)
    assert {state["value"] for state in states if state.get("bar_style")} == {1800.0, 600.0}


def test_without_widgets(monkeypatch):
    """A bar of text, and no word about what is not installed."""
    outputs, states = run(monkeypatch, "import sys; sys.modules['ipywidgets'] = None" + SETUP)
    check_objects(outputs)
    assert states == []
    assert {output["name"] for output in outputs["fit"]} == {"stdout"}
    text = "".join(output["text"] for output in outputs["fit"])
    assert "epoch 3/3 100%|" in text and "val 0." in text
    assert "Warning" not in text
