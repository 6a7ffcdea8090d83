"""What bad input gets: a clear error, the same on every backend, and a network that is as it was."""

import numpy as np
import pytest

import gpunet as gn

M, N, K = 6, 3, 4
NAN, INF = float("nan"), float("inf")


def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(M, N)).astype("float32"), np.array([0, 1, 2, 3, 1, 2])


def network(backend, output="softmax", units=K, **more):
    layers = [gn.Dense(5, "tanh"), gn.Dense(units, output)]
    return gn.Network(layers, inputs=N, seed=0, backend=backend.name, **more)


def host(net):
    fetch = net.placement.backend.to_host
    return [np.array(fetch(p)) for pair in net.parameters for p in pair]


def refused(net, call, error, *facts):
    """`call` raises `error`, whose message holds every fact; nothing about the network changes."""
    before = host(net) if net.inputs is not None else None
    state = (net.inputs, net.epochs_trained, net._trained.updates, net._trained.optimizer, net.standardizer)
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for fact in facts:
        assert fact in message, message
    assert state == (
        net.inputs,
        net.epochs_trained,
        net._trained.updates,
        net._trained.optimizer,
        net.standardizer,
    )
    if before is not None:
        for old, new in zip(before, host(net), strict=True):
            assert np.array_equal(old, new)
    return message


def spoiled(value, row=4):
    X, _ = data()
    X[row, 1] = value
    return X


def labels(**changes):
    _, y = data()
    y = y.astype("float64") if any(v != int(v) for v in changes.values() if v == v) else y.copy()
    y = y.astype("float64") if any(v != v for v in changes.values()) else y
    for row, value in changes.items():
        y[int(row[1:])] = value
    return y


X, Y = data()

BAD_X = {
    "columns for rows": (X.T.copy(), ValueError, ["(3, 6)", "look like columns", "X.T"]),
    "too many features": (np.zeros((M, 7)), ValueError, ["7 features", "takes 3"]),
    "images of the wrong size": (np.zeros((M, 2, 2)), ValueError, ["4 features", "(6, 2, 2)", "takes 3"]),
    "one example alone": (X[0], ValueError, ["(3,)", "reshape(1, -1)"]),
    "a number": (3.0, ValueError, ["()", "(m, n)"]),
    "five axes": (np.zeros((M, 1, 1, 1, N)), ValueError, ["(6, 1, 1, 1, 3)"]),
    "no rows": (np.zeros((0, N)), ValueError, ["empty", "(0, 3)"]),
    "no columns": (np.zeros((M, 0)), ValueError, ["empty"]),
    "an empty list": ([], ValueError, ["(0,)"]),
    "NaN": (spoiled(NAN), ValueError, ["NaN", "row 4"]),
    "infinity": (spoiled(INF, 2), ValueError, ["infinity", "row 2"]),
    "both infinities": (spoiled([INF, -INF], [5, 3]), ValueError, ["row 3"]),
    "too large for float32": (spoiled(0).astype("float64") + 1e300, ValueError, ["too large", "float32"]),
    "strings": ([["a", "b", "c"]] * M, TypeError, ["real numbers", "text"]),
    "one string": ("digits.csv", TypeError, ["array", "str"]),
    "None": (None, TypeError, ["array", "None"]),
    "a dict": ({"a": 1}, TypeError, ["array", "dict"]),
    "None inside": ([[1, 2, None]] * M, TypeError, ["real numbers", "objects"]),
    "objects": (X.astype(object), TypeError, ["real numbers", "objects", "dtype=float"]),
    "ragged": ([[1, 2, 3], [1, 2, 3], [1, 2]], ValueError, ["ragged", "row 0 has 3", "row 2 has 2"]),
    "ragged images": (
        [np.zeros((2, 3)), np.zeros((2, 4))],
        ValueError,
        ["row 0 has the shape (2, 3), row 1", "(2, 4)"],
    ),
    "ragged with a number": ([[1, 2, 3], 4], ValueError, ["ragged", "row 1 has a single number"]),
    "complex": (X.astype(complex), TypeError, ["real numbers", "complex"]),
    "dates": (np.zeros((M, N), "datetime64[s]"), TypeError, ["real numbers", "dates"]),
    "masked": (np.ma.masked_array(X, X > 0), ValueError, ["masked"]),
}

BAD_LABELS = {
    "too large": (labels(r3=4), ValueError, ["0 to 3", "row 3 is 4", "Count classes from 0"]),
    "far too large": (labels(r3=2**40), ValueError, ["row 3 is 1099511627776"]),
    "negative": (labels(r5=-1), ValueError, ["0 to 3", "row 5 is -1"]),
    "fractional": (labels(r1=0.5), ValueError, ["class numbers", "row 1 is 0.5"]),
    "NaN": (labels(r2=NAN), ValueError, ["NaN", "row 2"]),
    "bytes out of range": (np.array([0, 1, 2, 255, 0, 0], "uint8"), ValueError, ["row 3 is 255"]),
    "too few": (Y[:4], ValueError, ["4 labels for 6 examples"]),
    "too many": (np.r_[Y, Y], ValueError, ["12 labels for 6 examples"]),
    "fractional in a column": (Y[:, None] + 0.5, ValueError, ["row 0 is", "4 outputs have shape (m, 4)"]),
    "a column of too few": (Y[:4, None], ValueError, ["(4, 1)", "X has 6 examples"]),
    "narrow one-hot": (np.eye(3)[Y % 3], ValueError, ["(6, 3)", "4 units: give it 3"]),
    "one-hot as columns": (np.eye(4)[Y].T, ValueError, ["(4, 6)", "y.T"]),
    "one-hot of too few": (np.eye(4)[Y[:3]], ValueError, ["(3, 4)", "X has 6 examples"]),
    "one-hot with a 2": (2 * np.eye(4)[Y], ValueError, ["2 in row 0", "0 to 1"]),
    "two classes at once": (np.ones((M, 4)), ValueError, ["sum to 1", "row 0 sums to 4", "sigmoid"]),
    "one-hot with NaN": (np.full((M, 4), NAN), ValueError, ["NaN", "row 0"]),
    "none": (None, TypeError, ["y is missing", "a Table with a target"]),
    "a number": (1, ValueError, ["()", "(6, 4)", "(6,)"]),
    "empty": ([], ValueError, ["0 labels for 6 examples"]),
    "ragged": ([[1, 0, 0, 0], [1]], ValueError, ["ragged"]),
    "complex": (Y.astype(complex), TypeError, ["complex"]),
    "a dict": ({"a": 1}, TypeError, ["an array, a list or a Series", "dict"]),
    "a set": ({1, 2}, TypeError, ["an array, a list or a Series", "set"]),
}

BAD_SETTINGS = {
    "batch size 0": ({"batch_size": 0}, ValueError, ["batch_size", "at least 1"]),
    "batch size negative": ({"batch_size": -8}, ValueError, ["batch_size", "at least 1"]),
    "batch size too large": ({"batch_size": 7}, ValueError, ["7", "only 6 examples", "None"]),
    "batch size a float": ({"batch_size": 2.0}, TypeError, ["batch_size", "whole number"]),
    "batch size a truth value": ({"batch_size": True}, TypeError, ["batch_size"]),
    "batch size text": ({"batch_size": "all"}, TypeError, ["batch_size", "'all'"]),
    "no epochs": ({"epochs": 0}, ValueError, ["epochs", "at least 1"]),
    "half an epoch": ({"epochs": 0.5}, TypeError, ["epochs"]),
    "optimizer misspelled": (
        {"optimizer": "adams"},
        ValueError,
        ["gpunet.Adam(learning_rate=0.001)", "'adams'"],
    ),
    "optimizer unknown": ({"optimizer": "lbfgs"}, ValueError, ["gradient_descent, rmsprop, adam, adamw"]),
    "optimizer as a class": ({"optimizer": gn.RMSprop}, TypeError, ["gpunet.RMSprop("]),
    "optimizer a number": ({"optimizer": 0.1}, TypeError, ["optimizer", "0.1"]),
    "validation of wrong width": (
        {"validation_data": (np.zeros((2, 5)), [0, 1])},
        ValueError,
        ["validation X", "5 features", "takes 3"],
    ),
    "validation columns": ({"validation_data": (X.T.copy(), Y)}, ValueError, ["validation X.T"]),
    "validation labels": ({"validation_data": (X, labels(r0=9))}, ValueError, ["validation y", "row 0 is 9"]),
    "validation with NaN": ({"validation_data": (spoiled(NAN), Y)}, ValueError, ["validation X", "row 4"]),
    "validation not a pair": ({"validation_data": X}, ValueError, ["pair (X, y)"]),
    "both validations": (
        {"validation_data": (X, Y), "validation_fraction": 0.5},
        ValueError,
        ["not both"],
    ),
    "all for validation": ({"validation_fraction": 1.0}, ValueError, ["[0, 1)"]),
    "a negative share": ({"validation_fraction": -0.1}, ValueError, ["validation_fraction"]),
    "a tiny share": ({"validation_fraction": 0.01}, ValueError, ["leaves a part empty"]),
    "batch size too large for the rest": (
        {"validation_fraction": 0.5, "batch_size": 4},
        ValueError,
        ["only 3 examples to train on"],
    ),
    "batch size as text": (
        {"batch_size": "32"},
        TypeError,
        ["batch_size", "'auto', or None for all", "'32'"],
    ),
    "sample weight by name": ({"sample_weight": "balanced"}, TypeError, ["class_weight='balanced'"]),
    "too few sample weights": ({"sample_weight": [1, 2]}, ValueError, ["(6,)", "(2,)"]),
    "negative sample weight": ({"sample_weight": [1, 1, -1, 1, 1, 1]}, ValueError, ["negative in row 2"]),
    "NaN sample weight": ({"sample_weight": [1, 1, 1, 1, 1, NAN]}, ValueError, ["sample_weight", "row 5"]),
    "class weight of no class": ({"class_weight": {7: 2.0}}, ValueError, ["class 7", "0 to 3"]),
    "too few class weights": ({"class_weight": [1, 2]}, ValueError, ["4 weights", "got 2"]),
    "class weight negative": ({"class_weight": {0: -2.0}}, ValueError, ["not negative"]),
    "class weight by name": (
        {"class_weight": "heavy"},
        TypeError,
        ["'balanced'", "{class: weight}", "'heavy'"],
    ),
    "smoothing by all": ({"label_smoothing": 1.0}, ValueError, ["label_smoothing", "[0, 1)"]),
    "smoothing below 0": ({"label_smoothing": -0.1}, ValueError, ["label_smoothing"]),
    "smoothing by name": ({"label_smoothing": "0.1"}, TypeError, ["label_smoothing", "a number"]),
    "class weights as words": (
        {"class_weight": ["a", "b", "c", "d"]},
        TypeError,
        ["a list of 4 weights", "'a'"],
    ),
    "class weights without an order": (
        {"class_weight": {1.0, 2.0, 3.0, 4.0}},
        TypeError,
        ["a list of 4 weights"],
    ),
    "class weights nested": ({"class_weight": [[1], [2]]}, TypeError, ["a list of 4 weights", "[[1], [2]]"]),
    "class weight a number": (
        {"class_weight": np.array(2.0)},
        TypeError,
        ["a list of 4 weights", "array(2.)"],
    ),
    "shuffle as text": ({"shuffle": "no"}, TypeError, ["shuffle must be True or False", "'no'"]),
    "progress as text": ({"progress": "bar"}, TypeError, ["progress must be True or False", "'bar'"]),
    "class weight text": ({"class_weight": {0: "x"}}, TypeError, ["{class: weight}"]),
    "a callback that is none": ({"callbacks": [3]}, TypeError, ["callback(network, history)", "3"]),
    "a callback class": ({"callbacks": gn.EarlyStopping}, TypeError, ["EarlyStopping()"]),
    "nothing to monitor": ({"callbacks": gn.EarlyStopping()}, ValueError, ["val_loss", "validation_data"]),
    "nowhere to save": ({"callbacks": gn.SaveNetwork("no/such/net")}, FileNotFoundError, ["no/such"]),
}


@pytest.mark.parametrize("case", BAD_X)
def test_features(backend, case):
    bad, error, facts = BAD_X[case]
    net = network(backend)
    said = {
        refused(net, lambda: net.fit(bad, Y), error, *facts),
        refused(net, lambda: net.evaluate(bad, Y), error, *facts),
        refused(net, lambda: net.gradients(bad, Y), error, *facts),
        refused(net, lambda: net.predict(bad), error, *facts),
    }
    assert len(said) == 1


@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels(backend, case):
    bad, error, facts = BAD_LABELS[case]
    net = network(backend)
    said = {
        refused(net, lambda: net.fit(X, bad, batch_size=2), error, *facts),
        refused(net, lambda: net.evaluate(X, bad), error, *facts),
        refused(net, lambda: net.gradients(X, bad), error, *facts),
    }
    assert len(said) == 1


def test_names_of_classes(backend):
    """`fit` learns them; a network that was trained on numbers knows none."""
    net, names = network(backend), ["cat", "dog", "eel", "dog", "cat", "eel"]
    refused(net, lambda: net.fit(X, names), ValueError, "has 3 classes (cat, dog, eel)", "4 units: give it 3")
    refused(net, lambda: net.fit(X, ["cat"] * M), ValueError, "one class only, 'cat'")
    for call in (net.evaluate, net.gradients):
        refused(
            net,
            lambda call=call: call(X, names),
            TypeError,
            "text",
            "numpy.unique(names, return_inverse=True)",
        )
    net.fit(X, [*names[:-1], "fox"])
    refused(net, lambda: net.evaluate(X, ["cow"] * M), ValueError, "classes cat, dog, eel, fox, got 'cow'")


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings(backend, case):
    more, error, facts = BAD_SETTINGS[case]
    net = network(backend)
    refused(net, lambda: net.fit(X, Y, **({"batch_size": 2} | more)), error, *facts)


@pytest.mark.parametrize(
    ("output", "loss", "bad", "facts"),
    [
        ("relu", "squared_error", -0.5, ["-0.5 in row 2", "relu", "from 0 up", "identity"]),
        ("sigmoid", "logistic", 2.0, ["2 in row 2", "from 0 to 1", "softmax output"]),
        ("sigmoid", "logistic", -1.0, ["-1 in row 2", "as 0 and 1"]),
        ("sigmoid", "squared_error", 1.5, ["1.5 in row 2", "from 0 to 1", "Scale"]),
        ("tanh", "squared_error", -1.5, ["-1.5 in row 2", "from -1 to 1"]),
        ("softplus", "absolute_error", -3.0, ["-3 in row 2", "from 0 up"]),
        ("identity", "squared_error", NAN, ["NaN", "row 2"]),
        ("identity", "squared_error", 1e300, ["too large for float32", "row 2"]),
    ],
)
def test_targets_that_the_output_cannot_reach(backend, output, loss, bad, facts):
    y = np.zeros(M)
    y[2] = bad
    for given in (y, y[:, None], y.tolist()):
        net = network(backend, output, 1, loss=loss)
        refused(net, lambda net=net, given=given: net.fit(X, given, batch_size=2), ValueError, *facts)


def test_real_targets_of_the_wrong_width(backend):
    net = network(backend, "identity", 2)
    refused(net, lambda: net.fit(X, np.zeros((M, 3)), batch_size=2), ValueError, "(6, 2)", "(6, 3)")
    refused(net, lambda: net.fit(X, np.zeros((2, M)), batch_size=2), ValueError, "y.T")


def test_arrays_in_the_backends_own_library_get_the_same_answers(backend):
    net = network(backend)
    send = net.placement.to_device
    refused(net, lambda: net.fit(send(spoiled(NAN)), send(Y)), ValueError, "row 4")
    refused(net, lambda: net.predict(send(X.T.copy())), ValueError, "X.T")
    refused(net, lambda: net.predict(send(X.astype("complex64"))), TypeError, "complex")
    refused(net, lambda: net.fit(send(X), send(labels(r3=4)), batch_size=2), ValueError, "row 3 is 4")
    refused(net, lambda: net.fit(send(X), send(labels(r1=0.5)), batch_size=2), ValueError, "row 1 is 0.5")


def test_mixed_libraries(backend):
    net = network(backend)
    mine, other = net.placement.to_device(X), "readonly" if backend.name == "numpy" else "numpy"
    foreign = gn.get_backend(other).from_host(Y, "cpu")
    refused(net, lambda: net.fit(mine, foreign), ValueError, f"X in {backend.name}", f"y in {other}")
    refused(
        net,
        lambda: net.evaluate(foreign, net.placement.to_device(Y)),
        ValueError,
        f"X in {other}",
        "one library",
    )
    refused(
        net,
        lambda: net.fit(foreign, foreign, validation_data=(mine, foreign)),
        ValueError,
        f"validation X in {backend.name}",
    )
    net.evaluate(mine, Y.tolist())  # lists go with everything


def test_six_mistakes_in_a_row_and_then_it_trains():
    """A first network, with every message showing the way to the next try."""
    X, names = data()[0], np.array(["cat", "dog", "eel", "fox", "dog", "eel"])
    with pytest.raises(ValueError, match="Did you mean 'sigmoid'"):
        gn.Dense(4, "sigmod")
    with pytest.raises(TypeError, match="a list such as"):
        gn.Network(4)
    with pytest.raises(ValueError, match="'logistic'"):
        gn.Network([gn.Dense(4, "sigmoid")], loss="cross_entropy")
    with pytest.raises(ValueError, match="Did you mean 'numpy'"):
        gn.Network([gn.Dense(4, "softmax")], backend="nunpy")
    net = gn.Network([gn.Dense(4, "softmax")], seed=0, backend="numpy")
    with pytest.raises(ValueError, match=r"give Network inputs=…, or fit it first"):
        _ = net.parameters
    with pytest.raises(ValueError, match="fit it"):
        net.predict(X)
    with pytest.raises(TypeError, match=r"numpy\.unique"):
        net.evaluate(X, names)
    _, y = np.unique(names, return_inverse=True)
    with pytest.raises(TypeError, match=r"gpunet\.Adam"):
        net.fit(X, y, optimizer=gn.Adam)
    with pytest.raises(ValueError, match="only 6 examples"):
        net.fit(X, y, optimizer=gn.Adam(0.05), batch_size=32)
    assert net.inputs is None
    net.fit(X, y, optimizer=gn.Adam(0.05))
    assert net.inputs == N


@pytest.mark.parametrize(
    ("build", "error", "facts"),
    [
        (lambda: gn.Dense(0), ValueError, ["units", "at least 1"]),
        (lambda: gn.Dense(2.5), TypeError, ["units", "whole number"]),
        (lambda: gn.Dense(3, "Relu "), ValueError, ["'Relu '", "Did you mean 'relu'"]),
        (lambda: gn.Dense(3, "gulu"), ValueError, ["Did you mean 'gelu'", "Known:"]),
        (lambda: gn.Dense(3, None), ValueError, ["activation None", "Known:"]),
        (lambda: gn.Dense(3, "relu", "he_norm"), ValueError, ["Did you mean 'he_normal'"]),
        (lambda: gn.Dropout(1.0), ValueError, ["[0, 1)"]),
        (lambda: gn.Dropout(-0.1), ValueError, ["rate"]),
        (lambda: gn.Network([]), ValueError, ["at least one Dense"]),
        (lambda: gn.Network([gn.Dropout(0.5)]), ValueError, ["at least one Dense"]),
        (lambda: gn.Network([gn.Dense(3), gn.Dropout(0.5)]), ValueError, ["Dropout", "before"]),
        (lambda: gn.Network(None), TypeError, ["list"]),
        (lambda: gn.Network("relu"), TypeError, ["list"]),
        (lambda: gn.Network([gn.Dense]), TypeError, ["Dense(10)"]),
        (lambda: gn.Network(["relu"]), TypeError, ["Dense(10, 'relu')"]),
        (lambda: gn.Network([64, 10]), TypeError, ["Dense(64, 'relu')"]),
        (lambda: gn.Network([gn.Dense(1, "softmax")]), ValueError, ["one unit", "sigmoid"]),
        (lambda: gn.Network([gn.Dense(3)], "cross_entropy"), ValueError, ["softmax", "identity"]),
        (lambda: gn.Network([gn.Dense(3)], "crossentropy"), ValueError, ["Did you mean 'cross_entropy'"]),
        (lambda: gn.Network([gn.Dense(3)], "mse"), ValueError, ["Known:", "squared_error"]),
        (lambda: gn.Network([gn.Dense(3)], dtype="float46"), ValueError, ["float64"]),
        (lambda: gn.Network([gn.Dense(3)], dtype="float16"), ValueError, ["float32, float64"]),
        (lambda: gn.Network([gn.Dense(3)], inputs=0), ValueError, ["inputs"]),
        (lambda: gn.Network([gn.Dense(3)], inputs=(28, 28)), TypeError, ["inputs", "(28, 28)"]),
        (lambda: gn.Network([gn.Dense(3)], seed=-1), ValueError, ["seed"]),
        (lambda: gn.Network([gn.Dense(3)], seed=0.5), ValueError, ["seed"]),
        (lambda: gn.Network([gn.Dense(3)], standardizer=True), TypeError, ["Standardizer()"]),
        (lambda: gn.Network([gn.Dense(3)], standardizer=gn.Standardizer), TypeError, ["Standardizer()"]),
        (lambda: gn.Network([gn.Dense(3)], backend=np), TypeError, ["'numpy'"]),
        (lambda: gn.Network([gn.Dense(3)], backend="Numpy"), ValueError, ["Did you mean 'numpy'"]),
        (lambda: gn.Network([gn.Dense(3)], backend="atuo"), ValueError, ["Did you mean 'auto'"]),
        (lambda: gn.Network([gn.Dense(3)], backend="numpy:1"), ValueError, ["no device '1'", "cpu"]),
        (lambda: gn.Network([gn.Dense(3)], backend="auto:1"), ValueError, ["'auto'"]),
        (lambda: gn.GradientDescent(-0.1), ValueError, ["learning_rate", "above 0"]),
        (lambda: gn.GradientDescent(0), ValueError, ["learning_rate"]),
        (lambda: gn.GradientDescent("fast"), TypeError, ["learning_rate", "'fast'"]),
        (lambda: gn.Adam(NAN), ValueError, ["learning_rate"]),
        (lambda: gn.GradientDescent(0.1, momentum=1.0), ValueError, ["momentum", "[0, 1)"]),
        (lambda: gn.EarlyStopping(0), ValueError, ["patience"]),
        (lambda: gn.EarlyStopping(monitor="val_acc"), ValueError, ["Did you mean 'val_accuracy'"]),
        (lambda: gn.Standardizer("pixel"), ValueError, ["'feature' or 'set'"]),
        (lambda: gn.Network(gn.Dense(4), gn.Dense(3)), TypeError, ["layers go into one list"]),
        (lambda: gn.Network(gn.Dense(4), gn.Dense(3), gn.Dense(1)), TypeError, ["layers go into one list"]),
        (lambda: gn.Network([gn.Dense(3)], seed=True), ValueError, ["seed", "True"]),
        (lambda: gn.Network([gn.Dense(3)], dtype=np.float32), ValueError, ["Did you mean 'float32'"]),
        (lambda: gn.Network([gn.Dense(3)], encoder=gn.TableEncoder), TypeError, ["TableEncoder()"]),
        (lambda: gn.Network([gn.Dense(3)], encoder=gn.Standardizer()), TypeError, ["TableEncoder()"]),
        (lambda: gn.Network([gn.Dense(3)], backend="cpu"), ValueError, ["'numpy' here"]),
        (lambda: gn.SGD, AttributeError, ["it is gpunet.GradientDescent"]),
        (lambda: gn.MLPClassifier, AttributeError, ["from gpunet.estimators import MLPClassifier"]),
    ],
)
def test_construction(build, error, facts):
    with pytest.raises(error) as caught:
        build()
    for fact in facts:
        assert fact in str(caught.value)


def test_set_parameters(backend):
    net = network(backend)
    good = host(net)
    W1, b1, W2, b2 = good
    for bad, facts in [
        ([(W1, b1)], ["2 pairs", "got 1"]),
        ([W1, b1, W2, b2], ["2 pairs", "got 4"]),
        (7, ["2 pairs"]),
        ([(W1.T, b1), (W2, b2)], ["W[1]", "(5, 3)", "transposed"]),
        ([(W1, b1), (W2, b2[:, 0])], ["b[2]", "(4, 1)", "(4,)"]),
        ([(W1, b1), (W2 * NAN, b2)], ["W[2]", "NaN"]),
    ]:
        refused(net, lambda bad=bad: net.set_parameters(bad), ValueError, *facts)
    refused(net, lambda: net.set_parameters([(W1, b1), (W2 + 1j, b2)]), TypeError, "W[2]", "complex")


def test_the_first_fit_of_an_unknown_width_leaves_it_unknown_when_refused(backend):
    net = gn.Network([gn.Dense(K, "softmax")], backend=backend.name, standardizer=gn.Standardizer())
    with pytest.raises(ValueError, match="row 3 is 4"):
        net.fit(X, labels(r3=4), batch_size=2)
    assert net.inputs is None
    assert net.standardizer.mean is None
    net.fit(X[:, :2], Y, batch_size=None, epochs=1)
    assert net.inputs == 2


def test_val_accuracy_of_real_targets_is_refused_beforehand():
    net = network(gn.get_backend("numpy"), "identity", 1)
    stop = gn.EarlyStopping(monitor="val_accuracy")
    refused(
        net,
        lambda: net.fit(X, Y, batch_size=2, validation_data=(X, Y), callbacks=[stop]),
        ValueError,
        "no accuracy",
        "val_loss",
    )


def test_a_sparse_matrix_is_told_how_to_become_dense():
    class Sparse:
        shape = (M, N)

        def toarray(self):
            return X

    net = network(gn.get_backend("numpy"))
    refused(net, lambda: net.predict(Sparse()), TypeError, "toarray()")
