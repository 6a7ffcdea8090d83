"""``gpunet shuffle``."""

import numpy as np
import pytest


def test_two_files_are_shuffled_alike(good, tmp_path, rng):
    X, y = rng.normal(size=(300, 4)), np.arange(300)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    for name in ("X", "y"):
        out = good("shuffle", tmp_path / f"{name}.npy", tmp_path / f"{name}2.npy", "--seed", 7)
        assert out.startswith(f"saved: {tmp_path / name}2.npy: 300 rows, as many as in ")
    order = np.load(tmp_path / "y2.npy")
    assert np.array_equal(np.load(tmp_path / "X2.npy"), X[order])
    assert not np.array_equal(order, y)
    good("shuffle", tmp_path / "y.npy", tmp_path / "y3.npy")
    assert not np.array_equal(np.load(tmp_path / "y3.npy"), order)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("none.npy", "out.npy"), "none.npy is not a file"),
        (("X.csv", "out.csv"), "expected two files that end in .npy or .parquet"),
    ],
)
def test_bad_files(bad, names, said, tmp_path):
    assert said in bad("shuffle", *(tmp_path / name for name in names))


def test_training_on_a_file_that_is_read_by_blocks(good, tmp_path, rng, monkeypatch):
    """Validation data are the last rows of the training part then."""
    monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", 0)
    X = rng.normal(size=(500, 4)).astype("float32")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", (X[:, 0] > 0).astype(int))
    arguments = ["train", tmp_path / "X.npy", "--target", tmp_path / "y.npy", "--validation-fraction", 0.25]
    out = good(*arguments, "--save", tmp_path / "net.safetensors", "--epochs", 20)
    assert "300 training examples, 100 for validation, 100 test examples" in out
    assert float(out.split("test accuracy: ")[1].split()[0]) > 0.9
    again = good("evaluate", tmp_path / "net.safetensors", tmp_path / "X.npy", "--target", tmp_path / "y.npy")
    assert again.split("accuracy: ")[1].split()[0] == out.split("test accuracy: ")[1].split()[0]
    assert len(good("predict", tmp_path / "net.safetensors", tmp_path / "X.npy").splitlines()) == 501
