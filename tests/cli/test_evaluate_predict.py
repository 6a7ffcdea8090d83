"""``gpunet evaluate`` and ``gpunet predict``, on what ``gpunet train`` saved."""

import csv
import io

import numpy as np
import pytest

import gpunet as gn


@pytest.fixture
def classifier(trained, flowers):
    """A network trained on the flowers, their table, the output of the training and the class names."""
    path, _X, names = flowers
    net, out = trained(path)
    return net, path, out, names


def metrics(out):
    return dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)


def table(out):
    return list(csv.reader(io.StringIO(out)))


@pytest.mark.parametrize(
    "arguments",
    [["digits"], ["needles"], ["needles", "--kind", "several"], ["needles", "--kind", "one_of_three"]],
)
def test_evaluate_repeats_the_test(good, trained, arguments):
    net, out = trained(*arguments, "--hidden", 16, "--epochs", 2)
    evaluated = metrics(good("evaluate", net, arguments[0]))
    assert evaluated["accuracy"] == metrics(out)["test accuracy"]
    assert evaluated["loss"] == metrics(out)["test loss"]


def test_evaluate_recognises_the_training_file(good, classifier):
    net, path, trained, _ = classifier
    out = good("evaluate", net, path)
    assert "30 test examples" in out
    assert metrics(out)["accuracy"] == metrics(trained)["test accuracy"]
    assert "all 150 examples" in good("evaluate", net, path, "--all")


def test_evaluate_uses_target_kind_and_split_of_the_training(good, trained, flowers, tmp_path):
    """For a file whose target is its first column, with another test fraction."""
    _, X, names = flowers
    numbers = np.unique(names, return_inverse=True)[1]
    lines = [f"{k},{a},{b}" for k, (a, b) in zip(numbers, X, strict=True)]
    first = tmp_path / "first.csv"
    first.write_text("\n".join(["kind,height,width", *lines]) + "\n")
    net, out = trained(first, "--target", "kind", "--test-fraction", 0.4)
    evaluated = good("evaluate", net, first)
    assert "60 test examples" in evaluated
    assert metrics(evaluated)["loss"] == metrics(out)["test loss"]
    notes = gn.load(net).notes
    assert (notes["columns"], notes["target"]) == (["height", "width"], "kind")
    # By number: the notes have the name.
    net, _ = trained(first, "--target", 0, "--epochs", 1)
    assert gn.load(net).notes["target"] == "kind"
    # Values stay values in a file that would be read as classes.
    np.savez(tmp_path / "values.npz", X=X, y=X[:, 0])
    net, _ = trained(tmp_path / "values.npz", "--epochs", 1)
    np.savez(tmp_path / "whole.npz", X=X, y=X[:, 0].round())
    assert "accuracy" not in good("evaluate", net, tmp_path / "whole.npz")


def test_evaluate_uses_all_examples_of_another_file(good, classifier, tmp_path):
    net, path, _, _ = classifier
    lines = path.read_text().splitlines()
    fewer = [line for line in lines if not line.endswith("aster")]  # other class numbers than in training
    (tmp_path / "more.csv").write_text("\n".join(fewer) + "\n")
    out = good("evaluate", net, tmp_path / "more.csv")
    assert f"all {len(fewer) - 1} examples" in out
    assert float(metrics(out)["accuracy"]) >= 0.95


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_all_rows_of_a_memory_mapped_file_are_not_copied(good, tmp_path, monkeypatch, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 200, (60, 3, 3)).astype(dtype), np.arange(60) % 3
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    targets, net = ("--target", tmp_path / "y.npy"), tmp_path / "net"
    good(
        "train",
        tmp_path / "X.npy",
        *targets,
        "--epochs",
        1,
        "--hidden",
        4,
        "--backend",
        "numpy",
        "--save",
        net,
    )
    given = []
    evaluate = gn.Network.evaluate

    def seen(network, X, *others, **more):
        given.append(X)
        return evaluate(network, X, *others, **more)

    monkeypatch.setattr(gn.Network, "evaluate", seen)
    out = good("evaluate", net, tmp_path / "X.npy", "--all", *targets)
    assert "on all 60 examples of X" in out
    assert not isinstance(given[0], np.ndarray) and all(
        isinstance(part.array, np.memmap) for part in given[0].parts
    )
    measured = evaluate(gn.load(net, backend="numpy"), X.reshape(60, -1), y)
    assert f"loss: {measured['loss']:.4f}\naccuracy: {measured['accuracy']:.4f}\n" in out


def test_predict_names_classes(good, classifier, tmp_path):
    net, path, _, names = classifier
    head, *rows = table(good("predict", net, path))  # the target column is ignored
    assert head == ["class", "probability"]
    assert np.mean([row[0] == name for row, name in zip(rows, names, strict=True)]) >= 0.95
    assert all(1 / 3 <= float(row[1]) <= 1 for row in rows)
    (tmp_path / "new.csv").write_text("7.0,0.0\n0.0,7.0\n")  # no header
    assert [row[0] for row in table(good("predict", net, tmp_path / "new.csv"))] == [
        "class",
        "aster",
        "daisy",
    ]
    (tmp_path / "reordered.csv").write_text("width,colour,height\n0.0,1,7.0\n")
    assert table(good("predict", net, tmp_path / "reordered.csv"))[1][0] == "aster"
    reordered = good("predict", net, tmp_path / "reordered.csv", "--columns", "0,2")
    assert table(reordered)[1][0] == "aster"  # the columns chosen are matched by name, too


def test_predict_to_a_file(good, classifier, tmp_path):
    net, path, *_ = classifier
    assert good("predict", net, path, "--out", tmp_path / "out.csv") == ""
    assert (tmp_path / "out.csv").read_text() == good("predict", net, path)


def test_predict_one_neuron_and_labels(good, trained, tmp_path):
    for kind, head in (("one", ["class", "probability"]), ("several", ["upright", "flat", "slanting"])):
        net, _ = trained("needles", "--kind", kind, "--hidden", 32)
        data = gn.datasets.needles(kind)
        np.save(tmp_path / "X.npy", data.X_test)
        first, *rows = table(good("predict", net, tmp_path / "X.npy"))
        assert first == head
        if kind == "one":
            right = [row[0] == data.class_names[k] for row, k in zip(rows, data.y_test, strict=True)]
            assert all(0.5 <= float(row[1]) <= 1 for row in rows)
        else:
            right = (np.array(rows, dtype=float) >= 0.5) == data.y_test
        assert np.mean(right) >= 0.9


def test_predict_values(good, tmp_path):
    X = np.random.default_rng(0).normal(size=(300, 2))
    np.savez(tmp_path / "d.npz", X=X, y=1000 + 100 * X[:, 0])
    good("train", tmp_path / "d.npz", "--save", tmp_path / "net")
    head, *rows = table(good("predict", tmp_path / "net", tmp_path / "d.npz"))
    assert head == ["value"]
    assert np.corrcoef([float(row[0]) for row in rows], X[:, 0])[0, 1] > 0.98


def test_a_network_saved_from_python(good, flowers, tmp_path):
    """It has no notes: classes are named by their numbers."""
    _, X, names = flowers
    y = np.unique(names, return_inverse=True)[1]
    net = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy")
    net.fit(X, y, optimizer=gn.Adam(0.05), epochs=20)
    net.save(tmp_path / "net")
    np.savez(tmp_path / "d.npz", X=X, y=y)
    assert float(metrics(good("evaluate", tmp_path / "net", tmp_path / "d.npz"))["accuracy"]) > 0.95
    _, *rows = table(good("predict", tmp_path / "net", tmp_path / "d.npz"))
    assert np.mean([int(row[0]) == k for row, k in zip(rows, y, strict=True)]) > 0.95


def test_bad_input(bad, classifier, tmp_path):
    net, path, *_ = classifier
    assert "has the class '0', which the network was not trained on" in bad("evaluate", net, "digits")
    assert "is a file of data, and no saved network" in bad("evaluate", path, path)
    assert "No such file" in bad("predict", tmp_path / "none", path)
    (tmp_path / "one.csv").write_text("1\n2\n")
    assert "has 1 features, the network takes 2" in bad("predict", net, tmp_path / "one.csv")
    (tmp_path / "four.csv").write_text("1,2,3,4\n")
    assert "choose 2 with --columns" in bad("predict", net, tmp_path / "four.csv")
    assert "did you mean 'height'" in bad("predict", net, path, "--columns", "heigt,width")
    assert "not a file" in bad("evaluate", net, tmp_path / "none.csv")


def test_one_half_is_the_first_class(good, tmp_path):
    """As for the accuracy: a network that knows nothing takes all for the first class, by both commands."""
    net = gn.Network([gn.Dense(1, "sigmoid", "zeros")], inputs=2, seed=0, backend="numpy")
    np.savez(tmp_path / "d.npz", X=np.ones((4, 2)), y=[0, 0, 0, 1])
    net.notes = {"kind": "classes", "class_names": ["no", "yes"]}
    net.save(tmp_path / "net")
    assert [row[0] for row in table(good("predict", tmp_path / "net", tmp_path / "d.npz"))] == [
        "class",
        *["no"] * 4,
    ]


def test_targets_in_another_file_are_those_of_its_rows_only(good, bad, trained, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype("float32")
    y = (X[:, 0] > 0).astype(np.int64)
    for name, (rows, targets) in {"a": (X, y), "b": (X[::-1], y[::-1])}.items():
        np.save(tmp_path / f"{name}.npy", rows)
        np.save(tmp_path / f"y_{name}.npy", targets)
    np.savez(tmp_path / "c.npz", X=X, y=y)
    net, out = trained(tmp_path / "a.npy", "--target", tmp_path / "y_a.npy", "--hidden", 4, "--epochs", 2)
    evaluated = metrics(good("evaluate", net, tmp_path / "a.npy"))
    assert evaluated["accuracy"] == metrics(out)["test accuracy"]
    # Not those of the training, although there are as many.
    assert "b.npy holds no targets: name the .npy file of y with --target" in bad(
        "evaluate", net, tmp_path / "b.npy"
    )
    of_all = metrics(good("evaluate", net, tmp_path / "a.npy", "--all"))["accuracy"]
    b = metrics(good("evaluate", net, tmp_path / "b.npy", "--target", tmp_path / "y_b.npy"))["accuracy"]
    c = metrics(good("evaluate", net, tmp_path / "c.npz"))["accuracy"]
    assert of_all == b == c
