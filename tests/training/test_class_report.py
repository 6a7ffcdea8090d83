"""Class reports: counts against scikit-learn's, the table's layout, and the picture."""

import dataclasses

import numpy as np
import pytest
import sklearn.metrics as sk

import gpunet as gn
from gpunet import plots
from gpunet.training.class_report import class_report
from gpunet.training.class_table import class_table, shortened
from gpunet.training.results import results_of

NAMES10 = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot")


def report(matrix, names=None):
    """The report of predictions with this confusion matrix."""
    matrix = np.asarray(matrix)
    k = len(matrix)
    pairs = [(j, c) for j in range(k) for c in range(k) for _ in range(matrix[j, c])]
    true, predicted = np.array(pairs).T
    given = results_of(np.eye(k)[true], np.eye(k)[predicted], "classes", "softmax", None)
    return class_report(given, names)


@pytest.mark.parametrize(("units", "activation"), [(1, "sigmoid"), (2, "softmax"), (4, "softmax")])
def test_against_independent_counts(backend, rng, units, activation):
    k = max(units, 2)
    X, y = rng.normal(size=(70, 3)).astype("float32"), rng.integers(k, size=70)
    net = gn.Network([gn.Dense(units, activation)], seed=0, backend=backend.name)
    net.fit(X, y, epochs=1, batch_size=7)
    found = net.class_report(X, y)
    A = net.predict(X)
    predicted = (A[:, 0] > 0.5).astype(int) if units == 1 else A.argmax(axis=1)
    np.testing.assert_array_equal(found.matrix, sk.confusion_matrix(y, predicted))
    both = sk.precision_recall_fscore_support(y, predicted, zero_division=np.nan)
    np.testing.assert_allclose([found.precision, found.recall], both[:2])
    np.testing.assert_array_equal(found.actual, both[3])
    assert found.names == tuple(map(str, range(k)))


def test_labels_have_no_matrix(rng):
    X, Y = rng.normal(size=(50, 3)), rng.integers(2, size=(50, 3))
    net = gn.Network([gn.Dense(3, "sigmoid")], seed=0, backend="numpy")
    net.fit(X, Y, epochs=1, batch_size=5)
    found = net.class_report(X, Y, names=["rain", "wind", "sun"])
    both = sk.precision_recall_fscore_support(Y, net.predict(X) > 0.5, zero_division=np.nan)
    np.testing.assert_allclose([found.precision, found.recall], both[:2])
    assert found.matrix is None
    lines = str(found).splitlines()
    assert lines[0].split() == ["examples", "precision", "recall"]
    assert [line.split()[0] for line in lines[1:]] == ["rain", "wind", "sun"]
    assert len(lines) == 4
    with pytest.raises(ValueError, match="several labels at once have no confusion matrix"):
        found.plot()


def test_names_of_words_and_of_a_table(rng):
    x = rng.normal(size=60)
    y = np.where(x > 0, "warm", "cold")
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    net.fit(x[:, None], y, epochs=1)
    assert net.class_report(x[:, None], y).names == ("cold", "warm")
    table = gn.datasets.read_table({"x": x, "y": y}, target="y")
    net = gn.Network.for_table(table, seed=0, backend="numpy")
    net.fit(table, epochs=1)
    assert net.class_report(table).names == ("cold", "warm")


def test_mistakes(rng):
    X = rng.normal(size=(20, 2))
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    net.fit(X, X[:, 0], epochs=1)
    with pytest.raises(ValueError, match="real targets have no classes"):
        net.class_report(X, X[:, 0])
    net = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy")
    net.fit(X, np.arange(20) % 3, epochs=1)
    with pytest.raises(ValueError, match="there are 3 classes, got 2 names"):
        net.class_report(X, np.arange(20) % 3, names=["a", "b"])


def test_the_table_with_short_names():
    assert report([[7, 0, 1], [2, 10, 0], [0, 0, 0]], ("a", "bb", "ccc")).text() == "\n".join(
        [
            "       a   bb  ccc  precision  recall",
            "a      7    ·    1      0.778   0.875",
            "bb     2   10    ·      1.000   0.833",
            "ccc    ·    ·    ·      0.000       –",
        ]
    )


def test_the_table_with_letters_for_longer_names():
    assert report([[12, 3], [0, 5]], ("ill", "very well")).text() == "\n".join(
        [
            "              A   B  precision  recall",
            "A ill        12   3      1.000   0.800",
            "B very well   ·   5      0.625   1.000",
        ]
    )


def test_the_widths_at_which_it_fits():
    found = report([[7, 0, 1], [2, 10, 0], [0, 0, 0]], ("a", "bb", "ccc"))
    assert found.text(34).splitlines()[:2] == [
        "      a  bb ccc  precision  recall",
        "a     7   ·   1      0.778   0.875",
    ]
    assert found.text(33).startswith("     examples  precision")
    assert found.text(36) == found.text(34)  # the wider gap needs 37
    assert found.text(37) == found.text()
    long = report([[3, 0], [1, 3]], ("a", "b" * 40)).text().splitlines()
    assert long[2] == f"B {'b' * 21}…  1  3      1.000   0.750"


def test_a_class_of_one_example_and_one_that_is_never_right():
    found = report([[1, 0, 0], [2, 0, 1], [0, 1, 3]])
    np.testing.assert_allclose(found.recall, [1.0, 0.0, 0.75])
    np.testing.assert_allclose(found.precision, [1 / 3, 0.0, 0.75])
    matrix = 8 * np.eye(40, dtype=int)
    matrix[7], matrix[3, 7] = 0, 1
    matrix[7, 3] = 8  # precision and recall are 0
    matrix[20, 20], matrix[20, 21] = 4, 4
    lines = report(matrix).text().splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["7", "3", "20", "21"]


def test_ten_classes_of_thousands_fit_eighty_columns(rng):
    matrix = rng.integers(100, 200, size=(10, 10)) + 4800 * np.eye(10, dtype=int)
    lines = report(matrix // 10 * 10, NAMES10).text().splitlines()
    assert max(map(len, lines)) == 80
    assert lines[0].split() == [*"ABCDEFGHIJ", "precision", "recall"]
    assert lines[1].startswith("A T-shirt/… ")
    assert [int(n) for n in lines[1].split()[2:12]] == (matrix // 10 * 10)[0].tolist()
    assert len(lines) == 11
    wide = report(matrix // 10 * 10, NAMES10).text(120).splitlines()
    assert wide[1].startswith("A T-shirt/top  ")


def test_too_wide_a_matrix_becomes_a_list_with_the_most_frequent_mistakes():
    matrix = 50 * np.eye(20, dtype=int)
    matrix[3, 5], matrix[7, 1], matrix[0, 19], matrix[2, 4], matrix[6, 8], matrix[9, 11] = 9, 8, 7, 6, 5, 4
    lines = report(matrix, tuple(f"class {c}" for c in range(20))).text().splitlines()
    assert lines[0] == "          examples  precision  recall"
    assert lines[4] == "class 3         59      1.000   0.847"
    assert lines[20] == "class 19        50      0.877   1.000"
    assert lines[21:] == [
        "9 × class 3 taken for class 5",
        "8 × class 7 taken for class 1",
        "7 × class 0 taken for class 19",
        "6 × class 2 taken for class 4",
        "5 × class 6 taken for class 8",
    ]


def test_of_many_classes_the_worst_are_shown():
    matrix = 10 * np.eye(100, dtype=int)
    for c in range(40, 52):
        matrix[c, c], matrix[c, 0] = 10 - (c - 40) // 2, (c - 40) // 2
    matrix[99, 99], matrix[99, 1] = 0, 10  # never predicted
    matrix[98] = 0  # without examples
    lines = report(matrix).text().splitlines()
    assert lines[0] == "100 classes, of which these 10 have the lowest F1:"
    shown = [line.split()[0] for line in lines[2:12]]
    assert shown[0] == "99"
    assert set(shown) >= {"99", "0", "1", "50", "51", "48", "49"}
    assert "98" not in shown
    assert lines[12] == "10 × 99 taken for 1"
    assert len(lines) == 17
    assert max(map(len, lines)) <= 80


def test_thirty_classes_are_all_shown_and_thirty_one_are_not():
    for count, lines in ((30, 31), (31, 12)):
        assert len(report(10 * np.eye(count, dtype=int)).text().splitlines()) == lines


def test_fractions_of_nothing():
    text = class_table(["a", "b"], None, [3, 0], [np.nan, 1.0], [0.0, np.nan], width=80)
    assert text.splitlines()[1:] == ["a         3          –   0.000", "b         0      1.000       –"]


@pytest.mark.parametrize(("room", "text"), [(5, "abcde"), (4, "abc…"), (6, "abcde")])
def test_shortened(room, text):
    assert shortened("abcde", room) == text


def test_reports_are_values():
    found = report([[1, 0], [1, 1]])
    assert found in {found}
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.names = ()


def test_notebooks_show_the_table():
    found = report([[1, 0], [1, 1]], ("<a>", "b"))
    assert found._repr_html_() == f"<pre>{str(found).replace('<', '&lt;').replace('>', '&gt;')}</pre>"


def texts_of(figure):
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text for text in figure.axes[0].texts}


def test_the_picture(tmp_path):
    found = report([[1200, 0, 300], [2, 10, 0], [0, 1, 3]], ("aster", "daisy", "a name of 22 letters.."))
    figure = found.plot(tmp_path / "matrix.png")
    assert (tmp_path / "matrix.png").stat().st_size > 1000
    axes = figure.axes[0]
    cells = texts_of(figure)
    assert {place: text.get_text() for place, text in cells.items()} == {
        (0, 0): "1,200", (0, 2): "300", (1, 0): "2", (1, 1): "10", (2, 1): "1", (2, 2): "3",
    }  # fmt: skip
    assert cells[0, 0].get_color() == "white"
    assert cells[0, 2].get_color() == "black"
    shares = axes.images[0].get_array()
    np.testing.assert_allclose(shares, [[0.8, 0, 0.2], [1 / 6, 5 / 6, 0], [0, 0.25, 0.75]])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["aster", "daisy", "a name of 22 letter…"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_pictures_of_many_classes_have_no_counts_or_names():
    assert len(texts_of(plots.confusion(np.eye(20, dtype=int)))) == 20
    twenty_one = plots.confusion(np.eye(21, dtype=int))
    assert len(texts_of(twenty_one)) == 0
    assert len(twenty_one.axes[0].get_yticklabels()) == 21
    assert len(plots.confusion(np.eye(51, dtype=int)).axes[0].get_yticklabels()) < 51
    empty = plots.confusion(np.zeros((2, 2), dtype=int))
    assert np.isfinite(empty.axes[0].images[0].get_array()).all()


def test_mistakes_of_pictures(tmp_path):
    for matrix in ([[1, 2]], [1, 2], np.zeros((0, 0))):
        with pytest.raises(ValueError, match=r"a confusion matrix has shape \(k, k\), got"):
            plots.confusion(matrix)
    with pytest.raises(ValueError, match="a matrix of 2 classes needs 2 names, got 1"):
        plots.confusion(np.eye(2), ["a"])
    with pytest.raises(ValueError, match="a plot file ends in"):
        plots.confusion(np.eye(2), path=tmp_path / "matrix.txt")


def test_curves_of_metrics():
    history = gn.History(
        loss=[1.0, 0.5], val_loss=[1.0, 0.6], val_metrics={"f1": [0.1, 0.2], "auc": [0.3, 0.4]}
    )
    figure = history.plot()
    titles = [panel.axes[0].get_title() for panel in figure.subfigs]
    assert titles == ["loss", "f1", "auc"]
    history.val_accuracy = [0.5, 0.6]
    panels = history.plot().subfigs
    assert [panel.axes[0].get_title() for panel in panels] == ["loss", "accuracy", "f1", "auc"]
    np.testing.assert_array_equal(panels[3].axes[0].lines[0].get_ydata(), [0.3, 0.4])


def test_names_of_classes_in_a_picture():
    labels = plots.confusion(np.eye(3), [7, 8, 9]).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["7", "8", "9"]
    for names in ("abc", 3):
        with pytest.raises(TypeError, match=r"^names must be a list of names, got "):
            plots.confusion(np.eye(3), names)


@pytest.mark.parametrize(
    ("matrix", "error", "said"),
    [
        (3, ValueError, r"a confusion matrix has shape \(k, k\), got \(\)"),
        ("abc", TypeError, "a confusion matrix holds counts, got str"),
        ([["a", "b"], ["c", "d"]], TypeError, "a confusion matrix holds counts, got list"),
        (None, TypeError, "a confusion matrix holds counts, got NoneType"),
        ([[-1, 2], [3, 4]], ValueError, "a confusion matrix holds counts: numbers of at least 0"),
        ([[1, np.nan], [3, 4]], ValueError, "a confusion matrix holds counts: numbers of at least 0"),
    ],
)
def test_what_is_no_confusion_matrix(matrix, error, said):
    with pytest.raises(error, match=f"^{said}"):
        plots.confusion(matrix)


def test_pictures_of_something_else(tmp_path):
    history, net = gn.History(loss=[1.0, 0.5]), gn.Network([gn.Dense(1)], inputs=4, backend="numpy")
    for wrong, got in (
        ("net", "'net'"),
        (history, "History"),
        (gn.Network, "<class .*Network'>"),
        (3, "int"),
    ):
        with pytest.raises(TypeError, match=f"^network must be a Network; got {got}$"):
            history.plot(network=wrong)
    for wrong, got in (([1.0, 0.5], "list"), (net, "Network"), (gn.History, "<class .*History'>")):
        with pytest.raises(TypeError, match=f"^history must be a History, as fit returns it; got {got}$"):
            plots.training(wrong)
    with pytest.raises(
        TypeError, match=r"^search must be a RateSearch, as find_learning_rate returns it; got History$"
    ):
        plots.learning_rates(history)
    net.notes["image_shape"] = [3, 3]
    with pytest.raises(
        ValueError, match=r"'image_shape'\] is \(3, 3\), which are not the 4 inputs of the network$"
    ):
        history.plot(network=net)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        history.plot(tmp_path / "none" / "loss.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        history.plot(tmp_path / "folder.png")
