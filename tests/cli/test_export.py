"""``gpunet export``, on what ``gpunet train`` saved; run with onnxruntime."""

import sys

import numpy as np
import onnxruntime
import pytest

import gpunet as gn


def run(path, feeds):
    session = onnxruntime.InferenceSession(path)
    return dict(zip([port.name for port in session.get_outputs()], session.run(None, feeds), strict=True))


def test_a_table(good, trained, flowers, tmp_path):
    path, X, _ = flowers
    net, _ = trained(path)
    assert good("export", net, tmp_path / "net.onnx") == f"saved: {tmp_path / 'net.onnx'}\n"
    out = run(tmp_path / "net.onnx", {"height": X[:, :1], "width": X[:, 1:]})
    network = gn.load(net, "numpy")
    table = {"height": X[:, 0], "width": X[:, 1]}
    np.testing.assert_allclose(out["probabilities"], network.predict(table), rtol=0, atol=1e-6)
    assert out["label"].tolist() == network.predict_target(table).tolist()


def test_an_array_set_has_the_class_names_of_its_notes(good, trained, tmp_path):
    net, _ = trained("needles", "--hidden", 16, "--epochs", 2)
    good("export", net, tmp_path / "net.ONNX")
    data = gn.datasets.needles("one")
    network = gn.load(net, "numpy")
    out = run(tmp_path / "net.ONNX", {"X": data.X_test.astype("float64")})
    A = network.predict(data.X_test.astype("float64"))
    np.testing.assert_allclose(out["probabilities"], A, rtol=0, atol=1e-6)
    assert out["label"].tolist() == [data.class_names[k] for k in (A[:, 0] >= 0.5).astype(int)]


def test_labels_are_not_classes(good, trained, tmp_path):
    net, _ = trained("needles", "--kind", "several", "--hidden", 16, "--epochs", 1)
    good("export", net, tmp_path / "net.onnx")
    X = gn.datasets.needles("several").X_test.astype("float64")
    out = run(tmp_path / "net.onnx", {"X": X})
    assert list(out) == ["probabilities"]


def test_an_old_file_is_replaced(good, trained, flowers, tmp_path):
    net, _ = trained(flowers[0])
    out = tmp_path / "net.onnx"
    out.write_text("old")
    good("export", net, out)
    assert onnxruntime.InferenceSession(out).get_outputs()


@pytest.mark.parametrize("name", ["net.pt", "net", "net.onnx.zip"])
def test_unknown_endings(bad, trained, flowers, tmp_path, name):
    net, _ = trained(flowers[0])
    assert f"expected a file that ends in .onnx, got {tmp_path / name}" in bad("export", net, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_bad_files(bad, trained, flowers, tmp_path, monkeypatch):
    net, _ = trained(flowers[0])
    assert "No such file" in bad("export", tmp_path / "absent", tmp_path / "net.onnx")
    (tmp_path / "damaged").write_bytes(net.read_bytes()[:-7])
    assert "damaged" in bad("export", tmp_path / "damaged", tmp_path / "net.onnx")
    assert "there is no folder" in bad("export", net, tmp_path / "absent" / "net.onnx")
    (tmp_path / "folder.onnx").mkdir()
    assert "it is a folder" in bad("export", net, tmp_path / "folder.onnx")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(net.read_bytes())
    assert "the saved network itself" in bad("export", copy, copy)
    assert copy.read_bytes() == net.read_bytes()
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert '[onnx]"' in bad("export", net, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
