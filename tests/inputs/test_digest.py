"""Digests of data: the same for the same, another for any change."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.digest import digest


def test_arrays():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((5, 3)).astype("float32")
    assert digest("X", X) == digest("X", X.copy())
    assert digest("X", X).startswith("float32 (5, 3) ")
    assert digest("X", X) == digest("X", gn.get_backend("readonly").from_host(X, "cpu"))
    assert digest("X", None) is None
    changed = X.copy()
    changed[2, 1] = np.nextafter(changed[2, 1], 9, dtype="float32")
    others = [changed, X[::-1], X[:4], X.reshape(3, 5), X.astype("float64"), X.view("int32")]
    assert len({digest("X", one) for one in (X, *others)}) == len(others) + 1
    assert digest("X", X[:, ::2]) == digest("X", np.ascontiguousarray(X[:, ::2]))


def test_words_and_lists():
    assert digest("y", ["a", "b"]) == digest("y", ("a", "b"))
    assert digest("y", ["a", "b"]) != digest("y", ["a", "c"])
    assert digest("y", np.array(["a", None], dtype=object)) != digest("y", np.array(["a", "b"], dtype=object))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables(library):
    module = pytest.importorskip(library)

    def frame(size=(1.0, 2.0), name="size", animal=("cat", "dog")):
        return module.DataFrame({name: list(size), "animal": list(animal)})

    one = digest("X", frame())
    assert one == digest("X", frame())
    others = [frame((1.0, 2.5)), frame(name="weight"), frame(animal=("cat", "cow")), frame((1.0, None))]
    assert len({one, *(digest("X", other) for other in others)}) == 5
    assert digest("X", {"size": [1.0, 2.0], "animal": ["cat", "dog"]}) == one

    def table(animal=("cat", "dog"), target="animal"):
        return gn.datasets.read_table(frame(animal=animal), target=target)

    assert digest("X", table()) == digest("X", table())
    assert (
        len({digest("X", table()), digest("X", table(("cat", "cow"))), digest("X", table(target="size"))})
        == 3
    )


def test_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.csr_array(np.eye(4))
    other = X.copy()
    other.data[1] = 2.0
    assert digest("X", X) == digest("X", X.copy())
    assert digest("X", X) != digest("X", other)
    assert digest("X", X) == digest("X", X.tocoo())
    assert digest("X", X) != digest("X", sparse.csr_array((X.data, X.indices, X.indptr), shape=(4, 5)))
