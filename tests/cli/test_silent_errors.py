"""What the command line once got wrong without an error."""

import csv
import io
import re
import sys

import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow

FAST = ("--backend", "numpy", "--hidden", 8)


def write(path, header, *columns):
    rows = [",".join(map(str, cells)) for cells in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def metrics(out):
    return dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)


def records(out):
    return list(csv.reader(io.StringIO(out)))


@pytest.fixture
def points():
    """Two features of different sizes, of which the first decides."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200), 1000 * rng.normal(size=200)
    return a, b, np.where(a > 0, "yes", "no")


def test_evaluate_takes_columns_by_name(good, points, tmp_path):
    a, b, y = points
    net = tmp_path / "net"
    good("train", write(tmp_path / "ab.csv", "a,b,y", a, b, y), *FAST, "--save", net)
    swapped = write(tmp_path / "ba.csv", "b,y,extra,a", b, y, b, a)
    out = good("evaluate", net, swapped, "--target", "y")
    assert "ignored, because the training had none such: extra" in out
    assert float(metrics(out)["accuracy"]) > 0.95
    assert metrics(out)["loss"] == metrics(good("evaluate", net, tmp_path / "ab.csv", "--all"))["loss"]
    predicted = [row[0] for row in records(good("predict", net, swapped))[1:]]
    assert np.mean(np.array(predicted) == y) > 0.95


def test_evaluate_does_not_take_an_input_for_the_target(bad, good, points, tmp_path):
    a, b, y = points
    net, table = tmp_path / "net", write(tmp_path / "ab.csv", "a,b,y", a, b, y)
    good("train", table, *FAST, "--epochs", 1, "--save", net)
    assert "--target b: that column is an input of the network; it predicts 'y'" in bad(
        "evaluate", net, table, "--target", "b"
    )
    unnamed = write(tmp_path / "index.csv", ",a,b,y", range(200), a, b, y)
    assert "the training had none such: unnamed column" in good("evaluate", net, unnamed)


@pytest.mark.parametrize("largest", [255, 1])
def test_pixels_of_another_range_are_refused(bad, good, tmp_path, largest):
    """uint8 is divided by 255 in an .npz file, and not in a .npy file: the network's file says which it was."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.integers(0, largest + 1, (60, 4, 4)).astype("uint8")
    np.savez(tmp_path / "X.npz", X=X, y=y)
    np.savez(tmp_path / "floats.npz", X=X.astype("float32") * 100, y=y)  # of no range that is known
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "scaled.npy", X / 255)
    np.save(tmp_path / "y.npy", y)
    targets = dict.fromkeys(("X.npy", "scaled.npy"), ("--target", tmp_path / "y.npy"))
    targets |= dict.fromkeys(("X.npz", "floats.npz"), ("--target", "y"))
    settings = ("--epochs", 1, "--hidden", 4, "--backend", "numpy")
    for trained, same, others in (
        ("X.npz", ("X.npz", "scaled.npy"), ("X.npy",)),
        ("X.npy", ("X.npy",), ("X.npz", "scaled.npy")),
        ("floats.npz", ("floats.npz", "X.npy", "X.npz"), ()),
    ):
        net = tmp_path / "net"
        good("train", tmp_path / trained, *targets[trained], *settings, "--save", net)
        for name in same:
            good("evaluate", net, tmp_path / name, *targets[name])
            good("predict", net, tmp_path / name)
        to_1 = "from 0 to 1", "give them as X in an .npz file, where uint8 is divided by 255"
        to_255 = "from 0 to 255", "give them as uint8 in a .npy file, where they stay as they are"
        for name in others:
            (known, remedy), (found, _) = (to_1, to_255) if trained == "X.npz" else (to_255, to_1)
            expected = f"{name} has pixels {found}, and the network was trained on pixels {known}: {remedy}"
            assert expected in bad("evaluate", net, tmp_path / name, *targets[name])
            assert expected in bad("predict", net, tmp_path / name)


def test_pixels_of_other_types_are_refused(bad, good, tmp_path):
    """Their values tell the range; those of augmented images may be a little more than 1."""
    rng = np.random.default_rng(0)
    y, X = np.arange(60) % 3, rng.integers(0, 256, (60, 4, 4)).astype("uint8")
    np.savez(tmp_path / "X.npz", X=X, y=y)
    good(
        "train",
        tmp_path / "X.npz",
        "--epochs",
        1,
        "--hidden",
        4,
        "--backend",
        "numpy",
        "--save",
        tmp_path / "net",
    )
    X[0, 0, 0] = 255
    others = (
        X.astype("float32"),
        X.astype("int64"),
        X.reshape(60, -1),
        X[:, :, :, None].astype("float64") * 257,
    )
    for other, largest in zip(others, (255, 255, 255, 65535), strict=True):
        np.savez(tmp_path / "other.npz", X=other, y=y)
        np.save(tmp_path / "other.npy", other)
        told = (
            f"has values up to {largest}, and the network was trained on pixels from 0 to 1: divide them as"
        )
        assert told in bad("evaluate", tmp_path / "net", tmp_path / "other.npz")
        assert told in bad("predict", tmp_path / "net", tmp_path / "other.npz")
        if other.dtype != np.uint8:
            assert told in bad("predict", tmp_path / "net", tmp_path / "other.npy")
    table = write(
        tmp_path / "other.csv", ",".join(f"p{k}" for k in range(16)) + ",y", *X.reshape(60, -1).T, y
    )
    rows = write(tmp_path / "rows.csv", ",".join(f"p{k}" for k in range(16)), *X.reshape(60, -1).T)
    told = "csv has values up to 255, and the network was trained on pixels from 0 to 1"
    assert told in bad("evaluate", tmp_path / "net", table)
    assert told in bad("predict", tmp_path / "net", rows)
    np.savez(tmp_path / "brighter.npz", X=X / 255 * 1.9 - 0.2, y=y)
    good("evaluate", tmp_path / "net", tmp_path / "brighter.npz")


def test_missing_columns_are_named(bad, good, points, tmp_path):
    a, b, y = points
    good(
        "train",
        write(tmp_path / "ab.csv", "a,b,y", a, b, y),
        *FAST,
        "--epochs",
        1,
        "--save",
        tmp_path / "net",
    )
    for command in ("evaluate", "predict"):
        assert "lacks the column 'b'" in bad(
            command, tmp_path / "net", write(tmp_path / "c.csv", "a,y", a, y)
        )


def test_every_row_has_a_prediction(gpunet, good, points, tmp_path):
    """Rows of empty cells, too; comments have none, and are counted on standard error."""
    a, b, y = points
    good(
        "train",
        write(tmp_path / "ab.csv", "a,b,y", a, b, y),
        *FAST,
        "--epochs",
        1,
        "--save",
        tmp_path / "net",
    )
    new = tmp_path / "new.csv"
    new.write_text("a,b\n1,2\n,\n\n50,3\n,\n")
    assert len(records(good("predict", tmp_path / "net", new))) == 1 + 4
    new.write_text("a;b\n1;2\n#2;3\n50;3\n7;8\n")
    code, out, err = gpunet("predict", tmp_path / "net", new)
    assert (code, len(records(out))) == (0, 1 + 3)
    assert err == "gpunet: separated by semicolons\ngpunet: 1 comment line skipped\n"
    new.write_text("a;b;y\n1;2;no\n#2;3;no\n50;3;yes\n7;8;yes\n9;9;\n")
    out = good("evaluate", tmp_path / "net", new)
    assert out.startswith(
        "left out: 1 rows without a target (y)\nseparated by semicolons\n1 comment line skipped\n"
    )


def test_names_of_training_that_are_numbers(gpunet, good, points, tmp_path):
    a, b, y = points
    good(
        "train",
        write(tmp_path / "ten.csv", "10,20,y", a, b, y),
        "--target",
        "y",
        *FAST,
        "--epochs",
        1,
        "--save",
        tmp_path / "net",
    )
    named = good("predict", tmp_path / "net", write(tmp_path / "named.csv", "a,10,20", y, a, b))
    for header, columns in (("10,20", (a, b)), ("20,10", (b, a))):
        code, out, err = gpunet("predict", tmp_path / "net", write(tmp_path / "new.csv", header, *columns))
        assert (code, out, err) == (0, named, "")
    note = "gpunet: no header: columns taken as 10, 20\n"
    for text, rows in (
        ("10,20\n1,2\n10,20\n", 3),
        ("1,2\n10,20\n", 2),
        ("10,20\n", 1),
    ):  # the names may be values
        (tmp_path / "new.csv").write_text(text)
        code, out, err = gpunet("predict", tmp_path / "net", tmp_path / "new.csv")
        assert (code, len(records(out)), err) == (0, 1 + rows, note)


def test_predictions_have_all_digits(good, tmp_path):
    x = np.random.default_rng(0).normal(size=300)
    y = 1_234_530.96 + 0.5 * x
    net, path = tmp_path / "net", write(tmp_path / "d.csv", "x,y", x, y)
    good("train", path, "--backend", "numpy", "--save", net, "--dtype", "float64")
    predicted = np.array([float(row[0]) for row in records(good("predict", net, path))[1:]])
    assert np.array_equal(predicted, gn.load(net).predict_target({"x": x}))
    assert 1 - np.var(y - predicted) / np.var(y) > 0.99


def test_probabilities_have_all_digits_and_columns_named_after_the_classes(good, points, tmp_path):
    a, b, y = points
    net, path = tmp_path / "net", write(tmp_path / "d.csv", "a,b,y", a, b, y)
    good("train", path, *FAST, "--save", net)
    p = gn.load(net).predict({"a": a, "b": b})[:, 0]
    head, *rows = records(good("predict", net, path, "--probabilities"))
    assert head == ["class", "no", "yes"]
    assert np.array_equal(np.float32([row[2] for row in rows]), p)
    np.testing.assert_allclose(np.float32([row[1] for row in rows]), 1 - p, rtol=1e-6)
    assert [row[0] for row in rows] == ["yes" if q >= 0.5 else "no" for q in p]


def test_probabilities_need_classes(bad, good, tmp_path):
    path = write(tmp_path / "d.csv", "x,y", range(20), np.linspace(0, 1, 20))
    good("train", path, *FAST, "--epochs", 1, "--save", tmp_path / "net")
    assert "applies to classes only" in bad("predict", tmp_path / "net", path, "--probabilities")


@pytest.mark.parametrize("header", ["0,1,2", "2023,2024,trend"])
def test_a_header_of_numbers_is_a_header(good, points, header, tmp_path):
    a, b, y = points
    out = good(
        "train", write(tmp_path / "d.csv", header, a, b, np.where(y == "yes", 1, 0)), *FAST, "--epochs", 1
    )
    assert "160 training examples, 40 test examples" in out
    assert "2 classes (0, 1)" in out


def test_words_for_missing_are_no_classes(good, points, tmp_path):
    a, b, y = points
    y = y.astype(object)
    words = ["NA", "null", "None", "N/A", "#N/A", "-", ""]
    y[: len(words)] = words
    out = good("train", write(tmp_path / "d.csv", "a,b,y", a, b, y), *FAST, "--epochs", 1)
    assert "2 classes (no, yes)" in out
    assert "left out: 7 rows without a target (y)" in out


@pytest.mark.parametrize(
    "labels", [("02139", "10001"), ("007", "7"), ("1E2", "100"), (str(2**53), str(2**53 + 1))]
)
def test_labels_come_out_as_they_are_written(good, points, labels, tmp_path):
    a, b, y = points
    y = np.where(y == "yes", *labels[::-1])
    net, path = tmp_path / "net", write(tmp_path / "d.csv", "a,b,y", a, b, y)
    good("train", path, *FAST, "--save", net)
    predicted = [row[0] for row in records(good("predict", net, path))[1:]]
    assert set(predicted) == set(labels)
    assert np.mean(np.array(predicted) == y) > 0.95


def test_float64_reaches_a_table_and_an_archive(good, tmp_path):
    """The step is finer than float32."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    x = 1e9 + y + 0.1 * rng.random(200)
    write(tmp_path / "d.csv", "x,z,y", x, rng.normal(size=200), y)
    np.savez(tmp_path / "d.npz", X=x[:, None], y=y)
    for name in ("d.csv", "d.npz"):
        net = tmp_path / f"{name}.net"
        out = good("train", tmp_path / name, "--dtype", "float64", *FAST, "--save", net)
        assert float(metrics(out)["test accuracy"]) == 1.0
        assert float(metrics(good("evaluate", net, tmp_path / name, "--all"))["accuracy"]) == 1.0
        predicted = [row[0] for row in records(good("predict", net, tmp_path / name))[1:]]
        assert predicted == [str(k) for k in y]


@pytest.mark.parametrize("count", [26, 31])
@pytest.mark.parametrize("kind", [int, float])
def test_one_rule_for_classes_and_values(good, count, kind, tmp_path):
    y = (np.arange(10 * count) % count).astype(kind)
    x = np.random.default_rng(0).normal(size=len(y))
    write(tmp_path / "d.csv", "x,y", x, y)
    np.savez(tmp_path / "flat.npz", X=x[:, None], y=y)
    np.savez(tmp_path / "column.npz", X=x[:, None], y=y[:, None])
    for name in ("d.csv", "flat.npz", "column.npz"):
        out = good("train", tmp_path / name, *FAST, "--epochs", 1)
        assert ("test accuracy" in metrics(out)) == (count == 26)
        other = "values" if count == 26 else "classes"
        out = good("train", tmp_path / name, *FAST, "--epochs", 1, "--kind", other)
        assert ("test accuracy" in metrics(out)) == (count == 31)


def test_duplicate_names_are_refused_before_training(bad, points, tmp_path):
    a, b, y = points
    path = write(tmp_path / "d.csv", "a,a,y", a, b, y)
    assert "2 are called 'a'" in bad("train", path, "--save", tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_figures_are_those_of_the_weights_that_were_kept(good, tmp_path, suffix):
    """With noise to overfit, the last epoch is worse than the best one. All figures have one unit."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    y = 5000 + 100 * (X[:, 0] + 2 * rng.normal(size=120))
    path, net = tmp_path / f"d.{suffix}", tmp_path / "net"
    if suffix == "csv":
        write(path, "a,b,c,d,e,f,y", *X.T, y)
    else:
        np.savez(path, X=X, y=y)
    out = good(
        "train", path, "--backend", "numpy", "--patience", 20, "--epochs", 100, "--learning-rate", 0.02, "--save", net
    )  # fmt: skip
    assert "stopped early" in out
    printed = {name: float(value.split()[0]) for name, value in metrics(out).items() if name.endswith("loss")}
    assert list(printed) == ["training loss", "validation loss", "test loss"]
    assert all(line.endswith(" (y²)") for line in out.splitlines() if re.match(r"\w+ loss:", line))
    whole = float(metrics(good("evaluate", net, path, "--all"))["loss"].split()[0])
    counts = (86, 10, 24)
    assert np.average(list(printed.values()), weights=counts) == pytest.approx(whole, rel=1e-3)


def test_standard_input(good, points, tmp_path, monkeypatch):
    a, b, y = points
    path, net = write(tmp_path / "d.csv", "a,b,y", a, b, y), tmp_path / "net"

    class Input:
        buffer = None

    def typed():
        Input.buffer = io.BytesIO(path.read_bytes())
        monkeypatch.setattr(sys, "stdin", Input)

    typed()
    assert "standard input: 160 training examples, 40 test examples" in good(
        "train", "-", *FAST, "--save", net
    )
    typed()
    assert float(metrics(good("evaluate", net, "-"))["accuracy"]) > 0.95
    typed()
    assert len(records(good("predict", net, "-"))) == 201


def test_a_network_of_arrays_reads_the_numbers_of_a_table(good, bad, points, tmp_path):
    """As networks from Python have no encoder; names decide where the network knows them."""
    pd = pytest.importorskip("pandas")
    a, b, y = points
    frame = pd.DataFrame({"a": a, "b": b})
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy", standardizer=gn.Standardizer())
    net.fit(frame, y, optimizer=gn.Adam(0.1), epochs=20)
    net.save(tmp_path / "net")
    path = write(tmp_path / "d.csv", "b,a,y", b, a, y)
    assert float(metrics(good("evaluate", tmp_path / "net", path))["accuracy"]) > 0.95
    predicted = [row[0] for row in records(good("predict", tmp_path / "net", path))[1:]]
    assert np.mean(np.array(predicted) == y) > 0.95
    path = write(tmp_path / "gap.csv", "b,a", [1, 2], ["", 3])
    assert "line 2, column 'a': expected a number" in bad("predict", tmp_path / "net", path)
    path = write(tmp_path / "word.csv", "b,a", [1, 2], ["x", 3])
    assert "line 2, column 'a'" in bad("predict", tmp_path / "net", path)


def test_a_validation_set_of_the_file_is_used(good, tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 3))
    y = (X[:, 0] > 0).astype(int)
    np.savez(
        tmp_path / "d.npz", X_train=X[:60], y_train=y[:60], X_val=X[60:80], y_val=y[60:80],
        X_test=X[80:], y_test=y[80:], note=np.zeros(2),
    )  # fmt: skip
    out = good("train", tmp_path / "d.npz", *FAST, "--patience", 5)
    assert "60 training examples, 20 for validation, 20 test examples" in out
    assert "left out: the array note" in out
    assert "validation accuracy" in metrics(out)


def test_a_fraction_for_a_set_that_has_its_own(bad, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90) % 2
    np.savez(tmp_path / "d.npz", X=X[:60], y=y[:60], X_val=X[60:], y_val=y[60:])
    for fraction in (0, 0.3):
        said = bad("train", tmp_path / "d.npz", *FAST, "--validation-fraction", fraction)
        assert "--validation-fraction: d has a validation set of its own, which is used" in said


def test_the_usual_test_set_of_a_file(good, points, tmp_path):
    """A fifth, as the network's notes say, so that evaluate finds it again."""
    a, b, y = points
    path = write(tmp_path / "ab.csv", "a,b,y", a, b, y)
    out = good("train", path, *FAST, "--epochs", 1, "--save", tmp_path / "net")
    assert "160 training examples, 40 test examples" in out
    assert gn.load(tmp_path / "net").notes["test_fraction"] == 0.2
    assert "40 test examples" in good("evaluate", tmp_path / "net", path)


def test_a_word_for_missing_that_holds_a_comma(good, points, tmp_path):
    """As a network from Python may have it: its parts are words like any others."""
    a, _, y = points
    color = ["red", "blue", "not, known", "known"] * 50
    table = gn.datasets.read_table({"a": a, "color": color, "y": y}, target="y", missing=["not, known"])
    net = gn.Network.for_table(table, hidden=(8,), seed=0, backend="numpy")
    net.fit(table, epochs=2)
    net.save(tmp_path / "net")
    rows = ["a,color", *(f'{x},"{word}"' for x, word in zip(a, color, strict=True))]
    (tmp_path / "new.csv").write_text("\n".join(rows) + "\n")
    given = records(good("predict", tmp_path / "net", tmp_path / "new.csv", "--probabilities"))
    expected = net.predict({"a": a, "color": [None if word == "not, known" else word for word in color]})
    np.testing.assert_allclose([float(row[2]) for row in given[1:]], expected[:, 0], rtol=1e-6)
