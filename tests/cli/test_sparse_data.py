"""The commands on files of sparse rows."""

import csv
import io

import numpy as np
import pytest

import gpunet as gn

sparse = pytest.importorskip("scipy.sparse")
datasets = pytest.importorskip("sklearn.datasets")

RNG = np.random.default_rng(1)
Y = np.arange(200) % 3
# Feature k occurs in examples of class k mod 3, and one of the others now and then.
X = np.where((np.arange(30) % 3 == Y[:, None]) & (RNG.random((200, 30)) < 0.5), 1.0, 0.0)
X[:, 0] = RNG.random(200) + 0.1
X[:, 29] = np.where(RNG.random(200) < 0.3, 1.0, 0.0)


def metrics(out):
    return dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same examples in both formats."""
    folder = tmp_path_factory.mktemp("sparse")
    sparse.save_npz(folder / "X.npz", sparse.csr_array(X))
    np.save(folder / "y.npy", np.array(["red", "green", "blue"])[Y])
    datasets.dump_svmlight_file(X, Y, str(folder / "data.svm"), zero_based=False)
    return folder


SETTINGS = ("--hidden", 8, "--epochs", 40, "--batch-size", 16)


def test_npz(good, trained, files):
    net, out = trained(files / "X.npz", "--target", files / "y.npy", *SETTINGS)
    assert "sparse rows, " in out and "30 features; 3 classes: blue, green, red" in out
    assert float(metrics(out)["test accuracy"]) > 0.9
    assert gn.load(net).standardizer is None
    evaluated = good("evaluate", net, files / "X.npz")
    assert "40 test examples" in evaluated
    assert metrics(evaluated)["loss"] == metrics(out)["test loss"]
    assert "all 200 examples" in good("evaluate", net, files / "X.npz", "--all")
    found = list(csv.reader(io.StringIO(good("predict", net, files / "X.npz"))))
    assert found[0] == ["class", "probability"] and len(found) == 201
    right = np.array(["red", "green", "blue"])[Y] == [row[0] for row in found[1:]]
    assert right.mean() > 0.9


def test_svmlight(good, trained, files, tmp_path):
    net, out = trained(files / "data.svm", *SETTINGS, "--validation-fraction", 0.2, "--metrics", "f1_macro")
    assert "30 features; 3 classes: 0, 1, 2" in out
    assert float(metrics(out)["test accuracy"]) > 0.9
    assert metrics(good("evaluate", net, files / "data.svm"))["loss"] == metrics(out)["test loss"]
    # Another file, in which the last features do not occur.
    datasets.dump_svmlight_file(X[:50, :20], Y[:50], str(tmp_path / "few.svm"), zero_based=False)
    assert "all 50 examples" in good("evaluate", net, tmp_path / "few.svm")
    found = good("predict", net, tmp_path / "few.svm").splitlines()
    zeros = np.hstack([X[:50, :20], np.zeros((50, 10))])
    np.save(tmp_path / "same.npy", zeros.astype("float32"))
    same = good("predict", net, tmp_path / "same.npy").splitlines()
    assert [line.split(",")[0] for line in found] == [line.split(",")[0] for line in same]
    assert gn.load(net).notes["first_feature"] == 1


def test_features_are_counted_as_in_training(good, bad, trained, tmp_path):
    datasets.dump_svmlight_file(X, Y, str(tmp_path / "zero.svm"), zero_based=True)
    net, _ = trained(tmp_path / "zero.svm", "--hidden", 4, "--epochs", 1)
    later = np.where(np.arange(30) < 1, 0.0, X)  # without feature 0
    datasets.dump_svmlight_file(later, Y, str(tmp_path / "later.svm"), zero_based=True)
    np.savez(tmp_path / "same.npz", X=later, y=Y)
    one, other = (metrics(good("evaluate", net, tmp_path / name)) for name in ("later.svm", "same.npz"))
    assert one["loss"] == other["loss"]
    more = np.hstack([X, X])
    datasets.dump_svmlight_file(more, Y, str(tmp_path / "more.svm"), zero_based=True)
    assert "the network takes 30" in bad("predict", net, tmp_path / "more.svm")


def test_labels_of_another_file_by_their_names(good, trained, tmp_path):
    labels = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]])[Y]
    datasets.dump_svmlight_file(X, labels, str(tmp_path / "several.svm"), zero_based=True, multilabel=True)
    net, out = trained(tmp_path / "several.svm", *SETTINGS)
    assert "3 labels: 0, 1, 2" in out
    chosen = Y == 1  # labels 1 and 2 alone
    datasets.dump_svmlight_file(
        X[chosen], labels[chosen], str(tmp_path / "some.svm"), zero_based=True, multilabel=True
    )
    assert float(metrics(good("evaluate", net, tmp_path / "some.svm"))["accuracy"]) > 0.8


def test_standardisation_on_request(trained, files):
    for how in ("feature", "set"):
        net, _ = trained(files / "data.svm", "--hidden", 4, "--epochs", 1, "--standardize", how)
        standardizer = gn.load(net).standardizer
        assert standardizer.per == how and not standardizer.center


def test_bad_input(bad, files, tmp_path):
    assert "name the .npy file of y" in bad("train", files / "X.npz")
    assert "its targets are in the file itself" in bad("train", files / "data.svm", "--target", "y")
    assert "--drop applies to tables only" in bad("train", files / "data.svm", "--drop", "1")
    assert ".libsvm" in bad("train", tmp_path / "data.other")
