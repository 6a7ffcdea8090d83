"""Networks on arrays as ONNX files: onnxruntime computes what predict does."""

import json
import os
import sys

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.exchange import onnx_graph
from gpunet.tables import Target
from gpunet.version import VERSION

TYPES = {"float32": "tensor(float)", "float64": "tensor(double)"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_in_a_hidden_layer(exported, network, close, rng, activation, dtype):
    """Small and large numbers, in batches of any size: onnxruntime itself takes none at all, too."""
    layers = [gn.Dense(7, activation), gn.Dropout(0.3), gn.Dense(5, activation), gn.Dense(3)]
    net = network(layers, dtype=dtype)
    run = exported(net)
    assert run.inputs == {"X": (TYPES[dtype], ["rows", 4])}
    assert run.outputs == {"values": (TYPES[dtype], ["rows", 3])}
    X = (rng.normal(size=(40, 4)) * np.logspace(-8, 2, 40)[:, None]).astype(dtype)
    for m in (1, 2, 40):
        close(run({"X": X[:m]})["values"], net.predict(X[:m]))
    assert run({"X": X[:0]})["values"].shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_at_the_output(exported, network, close, rng, activation, dtype):
    """One layer alone; the largest outputs are far from the smallest."""
    net = network([gn.Dense(3, activation)], dtype=dtype)
    kind = "probabilities" if activation in ("softmax", "sigmoid") else "values"
    run = exported(net)
    assert list(run.outputs) == [kind]
    X = (rng.normal(size=(60, 4)) * np.logspace(-9, 3, 60)[:, None]).astype(dtype)
    close(run({"X": X})[kind], net.predict(X))


def test_an_activation_is_one_operator_where_there_is_one(exported, network):
    names = ["sigmoid", "tanh", "relu", "identity", "softmax"]
    run = exported(network([gn.Dense(3, name) for name in names]))
    operators = [node.op_type for node in run.model.graph.node]
    assert operators == [
        *("Gemm", "Sigmoid", "Gemm", "Tanh", "Gemm", "Relu", "Gemm", "Gemm", "Softmax", "Identity")
    ]


@pytest.mark.parametrize("activation", ["elu", "selu", "softplus", "mish"])
def test_small_numbers_keep_their_digits(exported, network, activation):
    """float64: what is left of e^z − 1 and log(1 + e^z) near 0 and far below it."""
    net = network([gn.Dense(1, activation)], inputs=1, dtype="float64")
    net.set_parameters([([[1.0]], [[0.0]])])
    X = np.array([[-1e-9], [1e-9], [-12.0], [-0.5], [3.0]])
    np.testing.assert_allclose(exported(net)({"X": X})["values"], net.predict(X), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("per", ["feature", "set"])
def test_a_standardizer_of_wide_numbers(exported, network, standardizer, close, rng, per, dtype):
    """A mean that float32 would round away stays, as in predict."""
    X = rng.normal(size=(30, 4)) * [1, 5, 3, 2] + [1e8, -3, 0, 7]
    net = network([gn.Dense(6, "tanh"), gn.Dense(2, "sigmoid")], dtype=dtype)
    net.standardizer = standardizer(X, per)
    run = exported(net)
    assert run.inputs == {"X": ("tensor(double)", ["rows", 4])}
    assert run.outputs == {"probabilities": (TYPES[dtype], ["rows", 2])}
    close(run({"X": X})["probabilities"], net.predict(X))


def test_a_standardizer_that_is_not_fitted_is_left_out(exported, network, close, rng):
    net = network([gn.Dense(2)], standardizer=gn.Standardizer())
    run = exported(net)
    X = rng.normal(size=(5, 4)).astype("float32")
    assert run.inputs["X"][0] == "tensor(float)"
    close(run({"X": X})["values"], net.predict(X))


def test_a_trained_network_on_images(exported, close, rng):
    """Bytes, flattened; predict takes them as float32, the file as float64."""
    images = rng.integers(256, size=(80, 6, 5)).astype("uint8")
    net = gn.Network(
        [gn.Dense(8, "relu"), gn.Dropout(0.1), gn.Dense(3, "softmax")],
        seed=0, backend="numpy", standardizer=gn.Standardizer("set"),
    )  # fmt: skip
    net.fit(images, images.mean(axis=(1, 2)) // 20 % 3, epochs=5)
    X = images.reshape(80, 30).astype("float64")
    close(exported(net)({"X": X})["probabilities"], net.predict(images))


@pytest.mark.parametrize("names", [("no", "yes"), ("a", "b", "c", "ä")])
def test_class_names(exported, close, rng, names):
    X = rng.normal(size=(200, 3)).astype("float32")
    y = np.array(names)[np.clip(np.floor(X[:, 0] + len(names) / 2), 0, len(names) - 1).astype(int)]
    output = gn.Dense(1, "sigmoid") if len(names) == 2 else gn.Dense(len(names), "softmax")
    net = gn.Network([gn.Dense(8, "tanh"), output], seed=0, backend="numpy")
    net.fit(X, y, epochs=3)
    run = exported(net)
    assert run.outputs["label"] == ("tensor(string)", ["rows"])
    out = run({"X": X})
    close(out["probabilities"], net.predict(X))
    assert out["label"].tolist() == net.predict_target(X).tolist()
    assert len(set(out["label"])) > 1
    assert run({"X": X[:0]})["label"].shape == (0,)
    assert json.loads(run.metadata["class_names"]) == list(names)


def test_one_half_is_the_first_class_for_all_that_decide(exported, network):
    """The label of the file, predict_target, the accuracy, and the report of classes."""
    net = network([gn.Dense(1, "sigmoid")], inputs=1)
    net.set_parameters([([[1.0]], [[0.0]])])
    net.target = Target().fit(["no", "yes"])
    X, words = np.array([[0.0], [-1e-3], [1e-3]], "float32"), ["no", "no", "yes"]
    assert exported(net)({"X": X})["label"].tolist() == net.predict_target(X).tolist() == words
    assert net.evaluate(X, words)["accuracy"] == 1.0
    assert net.class_report(X, words).matrix.tolist() == [[2, 0], [0, 1]]


@pytest.mark.parametrize("names", [("label", "other"), ("no", "label"), ("", "x"), ("X", "probabilities")])
def test_classes_that_are_called_as_outputs_or_not_at_all(exported, network, names):
    net = network([gn.Dense(1, "sigmoid")], inputs=1)
    net.set_parameters([([[1.0]], [[0.0]])])
    net.notes = {"class_names": list(names), "kind": "classes"}
    run = exported(net)
    assert list(run.outputs) == ["probabilities", "label"]
    found = run({"X": np.array([[-1.0], [1.0]], "float32")})["label"]
    assert found.tolist() == list(names)


@pytest.mark.parametrize(
    ("units", "notes", "label"),
    [
        (3, {"class_names": ["a", "b", "c"], "kind": "classes"}, True),
        (3, {"class_names": ["a", "b", "c"], "kind": "labels"}, False),
        (3, {"class_names": ["a", "b"], "kind": "classes"}, False),
        (1, {"class_names": ["a", "b", "c"], "kind": "classes"}, False),
        (3, {"kind": "classes"}, False),
        (3, {}, False),
    ],
)
def test_a_label_needs_one_name_per_class(exported, network, units, notes, label):
    net = network([gn.Dense(units, "sigmoid")])
    net.notes = notes
    run = exported(net)
    assert ("label" in run.outputs) == label
    assert run.metadata.get("class_names") == (
        json.dumps(notes["class_names"]) if "class_names" in notes else None
    )


def test_column_names_and_version(exported, rng):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rng.normal(size=(20, 2)), columns=["width", "height"])
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    net.fit(X, X["width"] * 2, epochs=1)
    run = exported(net)
    assert json.loads(run.metadata["feature_names"]) == ["width", "height"]
    assert (
        (run.model.producer_name, run.model.producer_version)
        == ("gpunet", VERSION)
        == ("gpunet", gn.__version__)
    )
    assert {entry.domain: entry.version for entry in run.model.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert run.model.ir_version == 8


def test_ones_own_loss_is_for_training_alone(exported, network, close, rng):
    loss = gn.Loss("huber", lambda xp, A, Y: xp.abs(A - Y), lambda xp, A, Y: xp.sign(A - Y))
    net = network([gn.Dense(2)], loss=loss)
    X = rng.normal(size=(5, 4)).astype("float32")
    close(exported(net)({"X": X})["values"], net.predict(X))


def test_ones_own_activation_is_refused(network, tmp_path):
    square = gn.Activation("square", lambda xp, Z: Z * Z, lambda xp, dA, Z, A: 2 * dA * Z)
    net = network([gn.Dense(3, square), gn.Dense(1)])
    with pytest.raises(ValueError, match=r"holds no code, and 'square' is an activation of your own: .*relu"):
        net.to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_no_weights_yet(tmp_path):
    net = gn.Network([gn.Dense(3, "relu"), gn.Dense(1)], backend="numpy")
    with pytest.raises(ValueError, match="does not know its inputs yet"):
        net.to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_file_holds(network, tmp_path, monkeypatch):
    """2 GiB, made small here: 4 · 3 + 3 + 3 + 1 numbers of 4 bytes are 76."""
    net = network([gn.Dense(3, "relu"), gn.Dense(1)])
    assert onnx_graph.MOST_BYTES < 2**31
    monkeypatch.setattr(onnx_graph, "MOST_BYTES", 76)
    net.to_onnx(tmp_path / "net.onnx")
    before = (tmp_path / "net.onnx").read_bytes()
    monkeypatch.setattr(onnx_graph, "MOST_BYTES", 75)
    with pytest.raises(
        ValueError, match=r"less than 2 GiB, .* at least 0\.00 GiB: save it with Network\.save"
    ):
        net.to_onnx(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == before


def test_written_whole_or_not_at_all(network, tmp_path, monkeypatch):
    net = network([gn.Dense(1)])
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        net.to_onnx(path)
    assert [one.name for one in tmp_path.iterdir()] == ["net.onnx"]
    assert path.read_bytes() == b"old"


def test_folders(network, tmp_path):
    net = network([gn.Dense(1)])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        net.to_onnx(tmp_path / "absent" / "net.onnx")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        net.to_onnx(tmp_path)


def test_onnx_is_not_installed(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        ImportError, match=r"ONNX files are written with onnx, .* install it with: pip install .*\[onnx\]"
    ):
        network([gn.Dense(1)]).to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
