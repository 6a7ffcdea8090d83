"""What notebooks show of a network and a history."""

import re
from xml.etree import ElementTree

import gpunet as gn


def cells(html):
    """The texts of a table's rows; a parser refuses what is not well-formed."""
    root = ElementTree.fromstring(f"<div>{html}</div>")
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")], "".join(root.itertext())


def test_a_network():
    layers = [gn.Dense(8, "relu"), gn.Dropout(0.2), gn.Dense(1, "sigmoid")]
    net = gn.Network(layers, inputs=4, seed=0, backend="numpy")
    rows, text = cells(net._repr_html_())
    assert rows == [
        ["layer", "outputs A[l]", "weights W[l]", "parameters"],
        ["inputs", "(4, m)", "", ""],
        ["1 relu", "(8, m)", "(8, 4)", "40"],
        ["dropout 0.2", "", "", ""],
        ["2 sigmoid", "(1, m)", "(1, 8)", "9"],
    ]
    assert text.endswith("49 parameters, float32; loss logistic; backend numpy")
    unknown, _ = cells(gn.Network(layers, backend="numpy")._repr_html_())
    assert unknown[2] == ["1 relu", "(8, m)", "(8, ?)", "?"]
    # The same facts as in the text.
    assert re.findall(r"[^\s─]+", net.summary())[6:8] == ["inputs", "(4,"]


def test_a_history():
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 1]
    history = net.fit(X, y, epochs=3, validation_data=(X, y))
    rows, _ = cells(history._repr_html_())
    assert rows[0] == ["epochs", "3"]
    assert rows[1] == ["loss", f"{history.loss[-1]:.4g}"]
    assert rows[1:4] == [
        ["loss", f"{history.loss[-1]:.4g}"],
        ["validation loss", f"{history.val_loss[-1]:.4g}"],
        ["validation accuracy", f"{history.val_accuracy[-1]:.4g}"],
    ]
    assert rows[4:] == [
        ["seconds", f"{sum(history.seconds):.1f}"],
        ["ran on", "numpy, cpu"],
        ["program", history.program],
    ]
    history.precision = "tf32"
    assert ["precision", "tf32"] in cells(history._repr_html_())[0]
    assert "precision='tf32'" in repr(history)


def test_names_are_escaped():
    history = gn.History(stopped="a < b & c")
    rows, _ = cells(history._repr_html_())
    assert rows[-1] == ["stopped", "a < b & c"]
