"""Sparse rows in the place of dense ones: the same run, on every backend, and nothing of X made dense as a whole."""

import tracemalloc

import numpy as np
import pytest

import fake_cupyx
import gpunet as gn

sparse = pytest.importorskip("scipy.sparse")

M, N = 120, 40


def data(m=M, n=N, density=0.15, seed=0):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((m, n), density=density, rng=rng, format="csr")
    return X, rng.integers(0, 3, m), rng.uniform(0.5, 2, m)


def network(backend="numpy", dropout=0.0, **options):
    layers = [gn.Dense(8, "relu"), gn.Dense(3, "softmax")]
    if dropout:
        layers.insert(0, gn.Dropout(dropout))
    return gn.Network(layers, seed=3, backend=backend, dtype="float64", **options)


def host(net, value):
    return np.asarray(net.placement.backend.to_host(value))


def figures(backend, X, y, w, dropout=0.0, **fit):
    """All that a run on X leads to, as one array."""
    net = network(backend, dropout)
    history = net.fit(X, y, sample_weight=w, **fit)
    J, gradients = net.gradients(X, y, w)
    result = net.evaluate(X, y, w)
    arrays = [a for pair in (*net.parameters, *gradients) for a in pair]
    return np.concatenate(
        [
            *(history.loss, history.val_loss, history.val_accuracy, [J, result["loss"], result["accuracy"]]),
            np.ravel(net.predict(X)),
            *(host(net, a).ravel() for a in arrays),
        ]
    )


def same(a, b):
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_sparse_matrices_of_cupy_are_as_those_of_scipy(kind, backend, monkeypatch, tmp_path):
    if backend.name == "jax":
        pytest.skip("compiling takes most of the time; what converts them is one for all libraries")
    on_device = fake_cupyx.install(monkeypatch)
    X, y, w = data()
    fit = {"epochs": 2, "batch_size": 32, "validation_fraction": 0.2}
    there = on_device(sparse.csr_matrix(X).asformat(kind))
    assert same(figures(backend.name, there, y, w, **fit), figures(backend.name, X, y, w, **fit))
    for rows in (there, X):  # the same data for a checkpoint
        network("numpy").fit(rows, y, epochs=2, checkpoint=gn.Checkpoint(tmp_path / "run"))


@pytest.mark.parametrize("optimizer", [gn.Adam(0.01, weight_decay=0.1), gn.GradientDescent(0.1, 0.8)])
@pytest.mark.parametrize("batch_size", [1, 32, None])
def test_as_dense_rows(backend, batch_size, optimizer):
    X, y, w = data(m=40 if batch_size == 1 else M)
    held_out = {"validation_fraction": 0.25}, {"validation_data": (X[:30], y[:30], w[:30])}
    if backend.name == "jax":
        if (batch_size, optimizer.slots) not in ((32, 2), (None, 1)):
            pytest.skip("compiling takes most of the time; an optimizer for two sizes will do")
        held_out = held_out[optimizer.slots - 1 :][:1]
    for more in held_out:
        epochs = 1 if batch_size == 1 else 2
        fit = {
            "optimizer": optimizer,
            "batch_size": batch_size,
            "epochs": epochs,
            "shuffle": batch_size != 32,
        }
        dense = {**more}
        if "validation_data" in more:
            dense = {"validation_data": (X[:30].toarray(), y[:30], w[:30])}
        got = figures(backend.name, X, y, w, **fit, **more)
        assert same(got, figures(backend.name, X.toarray(), y, w, **fit, **dense))


@pytest.mark.parametrize("batch_size", [7, None])
def test_with_dropout_of_the_inputs(backend, batch_size):
    if backend.name == "jax" and batch_size is not None:
        pytest.skip("compiling takes most of the time; one size will do")
    X, y, w = data()
    fit = {"dropout": 0.3, "batch_size": batch_size, "epochs": 2}
    assert same(figures(backend.name, X, y, w, **fit), figures(backend.name, X.toarray(), y, w, **fit))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 32, None])
def test_the_compiled_program(batch_size):
    X, y, w = data()
    for optimizer in (gn.AdamW(0.01), gn.GradientDescent(0.1), gn.RMSprop(0.01)):
        runs = []
        for rows in (X, X.toarray()):
            net = network()
            history = net.fit(rows, y, sample_weight=w, optimizer=optimizer, batch_size=batch_size, epochs=3)
            net.fit(rows, y, optimizer=optimizer, batch_size=batch_size, epochs=1)
            runs.append((history, net.predict(rows)))
        (compiled, P), (_, dense) = runs
        assert compiled.program == "compiled sparse rows"
        assert np.allclose(P, dense, rtol=1e-9, atol=1e-11)


def test_a_program_that_takes_none_gives_way_to_the_reference(monkeypatch):
    """On any backend, also one of somebody else that has never heard of sparse rows."""
    from gpunet_numpy.plain.accumulation import Accumulation

    backend = gn.get_backend("numpy")
    monkeypatch.setattr(Accumulation, "takes_sparse", False)
    monkeypatch.setattr(type(backend), "program_for", lambda self, plan, device: (Accumulation(plan), "mine"))
    X, y, _ = data()
    history = network().fit(X, y, epochs=1)
    assert history.program == "reference"
    assert history.reason == "numpy gradient accumulation: it takes no sparse examples"


def test_auto_is_numpy(monkeypatch):
    """Also where a GPU would be chosen for arrays; the environment still decides."""
    from gpunet.devices import placement

    X, y, _ = data()
    monkeypatch.setattr(placement, "get_backend", lambda name: gn.get_backend("readonly"))
    assert network("auto").fit(X, y, epochs=1).backend == "numpy"
    assert network("auto").fit(X.toarray(), y, epochs=1).backend == "readonly"
    monkeypatch.setenv("GPUNET_BACKEND", "readonly")
    assert network("auto").fit(X, y, epochs=1).backend == "readonly"


def test_other_formats_and_networks_that_have_been_trained_on_dense_rows():
    X, y, _ = data()
    net = network()
    net.fit(X.toarray(), y, epochs=2)
    dense = net.predict(X.toarray())
    for rows in (X, X.tocsc(), X.tocoo(), sparse.csr_matrix(X)):
        assert np.allclose(net.predict(rows), dense, rtol=1e-12)
        assert type(net.predict(rows)) is np.ndarray
    net.fit(X.tocoo(), y, epochs=1)
    assert net.epochs_trained == 3


def test_what_fit_leaves_can_be_saved(tmp_path):
    X, y, _ = data()
    net = network()
    net.fit(X, y, epochs=1, batch_size=20)
    net.save(tmp_path / "net.safetensors")
    assert np.array_equal(gn.load(tmp_path / "net.safetensors").predict(X), net.predict(X))


def test_large_entries_are_warned_of():
    """Of the entries, not of the zeros between them; and what to do about it suits sparse rows."""
    X, y, _ = data(density=0.05)
    X.data[:] = 11.0
    with pytest.warns(gn.UnscaledInputs, match=r"mean \|x\| is 11.*Standardizer\(center=False\)$"):
        network().fit(X, y, epochs=1)
    X.data[:] = 9.0
    network().fit(X, y, epochs=1)
    network().fit(sparse.csr_array(X.shape), y, epochs=1)


def test_divergence_tells_of_the_same_standardizer():
    X, y, _ = data()
    X.data[:] = 1e150
    with (
        pytest.warns(gn.UnscaledInputs),
        pytest.raises(gn.Diverged, match=r"Standardizer\(center=False\)") as diverged,
    ):
        network().fit(X, y, optimizer=gn.GradientDescent(1e200), epochs=3)
    assert diverged.value.epoch <= 3


BAD = {
    "width": (lambda X: X[:, :30], "X has 30 features per example (shape (120, 30)), the network takes 40"),
    "nan": (lambda X: spoiled(X, np.nan), "first in row 7"),
    "infinity": (lambda X: spoiled(X, -np.inf), "first in row 7"),
    "complex": (lambda X: X.astype("complex128"), "X must hold real numbers, it holds complex numbers"),
}


def spoiled(X, value):
    X = X.tolil()
    X[7, 3] = value
    return X.tocsr()


@pytest.mark.parametrize("bad", BAD)
def test_bad_rows_change_nothing(bad):
    spoil, said = BAD[bad]
    X, y, _ = data()
    net = network(inputs=N)
    net.fit(X, y, epochs=1)
    before = net.predict(X)
    wrong = spoil(X)
    for call in (
        lambda: net.fit(wrong, y),
        lambda: net.predict(wrong),
        lambda: net.evaluate(wrong, y),
        lambda: net.gradients(wrong, y),
        lambda: net.fit(X, y, validation_data=(wrong, y)),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert said in str(caught.value)
    assert np.array_equal(net.predict(X), before)
    assert net.epochs_trained == 1


def test_words_and_a_validation_fraction():
    X, y, _ = data()
    words, nets = np.array(["ant", "bee", "cat"])[y], [network() for _ in range(2)]
    for net, rows in zip(nets, (X, X.toarray()), strict=True):
        net.fit(rows, words, epochs=1, validation_fraction=0.25)
        assert net.class_names == ("ant", "bee", "cat")
    assert nets[0].history.val_accuracy == nets[1].history.val_accuracy


def test_targets_and_weights_are_no_sparse_matrices():
    X, y, w = data()
    with pytest.raises(TypeError, match=r"y is a sparse matrix; pass y\.toarray\(\)"):
        network().fit(X, sparse.csr_array(np.eye(3)[y]))
    with pytest.raises(TypeError, match=r"sample_weight is a sparse matrix"):
        network().fit(X, y, sample_weight=sparse.csr_array(w[None]))


def test_the_rows_are_counted():
    X, y, _ = data()
    with pytest.raises(ValueError, match="120"):
        network().fit(X, y[:-1])


def peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bytes_of(X):
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


@pytest.mark.parametrize(("name", "m"), [("numpy", 4000), ("readonly", 600)])
def test_memory_is_less_than_two_copies_of_the_matrix(name, m):
    """Beside parameters and slots; where rows become dense, a batch or a chunk of them at a time."""
    n, batch = 2000, 25
    X, y, _ = data(m, n, density=0.02)
    net = network(name)
    network(name).fit(X, y, epochs=1, batch_size=batch, optimizer="sgd")  # which loads what is needed
    weights = 8 * (n * 8 + 8 + 8 * 3 + 3)
    dense = 0 if name == "numpy" else 3 * 8 * n * batch
    used = peak(lambda: net.fit(X, y, epochs=2, batch_size=batch, optimizer="sgd"))
    assert used < 2 * bytes_of(X) + 8 * weights + dense
    assert used < 0.25 * 8 * m * n
    if name == "numpy":
        for call in (lambda: net.predict(X), lambda: net.evaluate(X, y), lambda: net.gradients(X, y)):
            assert peak(call) < 2 * bytes_of(X) + 2 * weights


@pytest.mark.filterwarnings("ignore::gpunet.UnscaledInputs")
@pytest.mark.parametrize("when", ["first step", "later step"])
@pytest.mark.parametrize("m", [12, 24])
def test_a_divergence_in_a_later_epoch(m, when):
    """What is kept is as for dense rows, whether a run goes back one epoch or two, also where epochs are long."""
    X = np.eye(m, dtype="float32")
    y = np.ones((m, 1), dtype="float32")
    row = {"first step": 0, "later step": 3}[when]
    # Weights of 0 hide the large number; once other rows have changed the bias, it has one, and its loss overflows.
    X[row, row], y[row] = 3e19, 0.0
    kept = []
    for rows in (X, sparse.csr_array(X)):
        net = gn.Network([gn.Dense(1)], inputs=m, seed=0, backend="numpy")
        net.set_parameters([(np.zeros((1, m)), np.zeros((1, 1)))])
        with pytest.raises(gn.Diverged) as caught:
            net.fit(rows, y, optimizer=gn.GradientDescent(0.1), epochs=4, batch_size=1, shuffle=False)
        kept.append((caught.value.epoch, caught.value.step, [np.array(p) for p in net.parameters[0]]))
    (epoch, step, found), (epoch_of_sparse, step_of_sparse, found_of_sparse) = kept
    assert (epoch, step) == (epoch_of_sparse, step_of_sparse) and epoch > 1
    assert (step == 1) == (when == "first step")
    for a, b in zip(found, found_of_sparse, strict=True):
        assert np.isfinite(b).all() and np.allclose(a, b, rtol=1e-5)


def test_a_chunk_of_rows_is_dense_at_a_time(monkeypatch):
    """On a backend without sparse products; the figures are those of all rows."""
    from gpunet.devices import sparse_examples

    X, y, w = data()
    whole = figures("readonly", X, y, w, epochs=1)
    seen = []
    to_dense = sparse.csr_array.toarray
    monkeypatch.setattr(sparse_examples, "DENSE_NUMBERS", 7 * N)
    monkeypatch.setattr(
        sparse.csr_array, "toarray", lambda self: seen.append(self.shape[0]) or to_dense(self)
    )
    assert same(
        figures("readonly", X, y, w, epochs=1, batch_size=30),
        figures("numpy", X, y, w, epochs=1, batch_size=30),
    )
    assert set(seen) == {30, 7, 1}
    assert same(figures("readonly", X, y, w, epochs=1), whole)


@pytest.mark.parametrize("name", ["numpy", "readonly"])
def test_transforms_and_frozen_layers(name):
    X, y, _ = data()
    for frozen, transform in ((True, None), (False, noisy), (True, noisy)):
        runs = []
        for rows in (X, X.toarray()):
            layers = [gn.Dense(8, "relu", trainable=not frozen), gn.Dense(3, "softmax")]
            net = gn.Network(layers, seed=3, backend=name, dtype="float64",
                             standardizer=gn.Standardizer(center=False))  # fmt: skip
            history = net.fit(rows, y, epochs=2, batch_size=16, transform=transform)
            runs.append(np.concatenate([history.loss, np.ravel(net.predict(rows))]))
        assert same(*runs)


def noisy(X, rng):
    assert isinstance(X, np.ndarray)
    return X + rng.normal(size=X.shape)


def test_large_inputs_get_the_same_start():
    """Whose size is that of all numbers, the zeros too, and so is the default optimizer's rate."""
    X, y, _ = data()
    X = 9 * X
    runs = [figures("numpy", rows, y, None, epochs=2) for rows in (X, X.toarray())]
    assert same(*runs)
    assert same(
        figures("numpy", 0 * X, y, None, epochs=1), figures("numpy", 0 * X.toarray(), y, None, epochs=1)
    )


def test_an_l2_penalty():
    """As scikit-learn's networks have it; each backend's own way to train on sparse rows."""
    estimators = pytest.importorskip("gpunet.estimators")
    X, y, _ = data()
    runs = []
    for rows in (X, X.toarray()):
        mlp = estimators.MLPClassifier((6,), alpha=0.3, max_iter=4, tol=0.0, random_state=0)
        with pytest.warns(match="hasn't converged"):
            mlp.fit(rows, y)
        runs.append(mlp.predict_proba(rows))
    assert np.allclose(*runs, rtol=1e-4)


@pytest.mark.parametrize("backend", ["torch", "numpy"])
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
@pytest.mark.parametrize("layout", ["to_sparse_coo", "to_sparse_csr"])
def test_sparse_tensors_of_pytorch_are_none_that_is_read(backend, layout):
    torch = pytest.importorskip("torch")
    X, y, _ = data()
    tensor = getattr(torch.eye(M, N), layout)()
    net = network(backend)
    for call in (
        lambda: net.fit(tensor, torch.tensor(y)),
        lambda: net.fit(X, y, epochs=1) and net.predict(tensor),
    ):
        with pytest.raises(
            TypeError, match=r"a tensor of layout sparse_c.* pass tensor\.to_dense\(\), or .*csr_array"
        ):
            call()
