"""Digests of data: the same for the same, another for any change."""

from datetime import timedelta

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.blocks.iterated import IteratedBlocks
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


def test_an_array_is_known_by_its_rows_however_they_lie_in_memory(monkeypatch):
    X = np.arange(25.0).reshape(5, 5)
    assert digest("X", X) == digest("X", np.asfortranarray(X))
    assert digest("X", X) != digest("X", X.T)  # the same numbers in memory
    assert digest("X", X[:, :2]) == digest("X", X[:, :2].copy())
    whole = digest("X", X)
    monkeypatch.setattr("gpunet.inputs.digest.PART", 2 * 5 * 8)
    assert digest("X", X) == digest("X", np.asfortranarray(X)) == whole
    assert digest("X", X[:0]) != digest("X", X[:0, :2])
    assert digest("y", np.float64(2.0)) == digest("y", np.array(2.0)) != digest("y", np.array(3.0))


@pytest.mark.parametrize(
    "dtype",
    ["datetime64[s]", "timedelta64[s]", "complex64", "longdouble", "float16", ">f4", "bool", "S3", "i4,f8"],
)
def test_arrays_of_every_dtype(dtype):
    """What is no number is refused where it is read, with an error that says so."""
    zeros, ones = np.zeros(3, dtype), np.ones(3, dtype)
    assert digest("X", zeros) == digest("X", zeros.copy()) != digest("X", ones)


def test_texts_of_numpy():
    words = np.array(["a", "long enough to lie elsewhere in memory"], dtype=np.dtypes.StringDType())
    again = np.array(words.tolist(), dtype=np.dtypes.StringDType())
    again[1] = again[1] + ""
    other = np.array(["a", "long enough to lie elsewhere in memorY"], dtype=np.dtypes.StringDType())
    assert digest("y", words) == digest("y", again) != digest("y", other)


@pytest.mark.slow
def test_numbers_of_few_bits():
    jnp = pytest.importorskip("jax.numpy")
    assert digest("X", jnp.ones(3, jnp.bfloat16)) != digest("X", jnp.zeros(3, jnp.bfloat16))


def test_blocks_of_words():
    pieces = [(np.ones((2, 3)), np.array(["a", "b" * 40], dtype=object))]
    again = [(np.ones((2, 3)), np.array(["a", "b" * 20 + "b" * 20], dtype=object))]
    other = [(np.ones((2, 3)), np.array(["a", "c"], dtype=object))]
    found, same, different = (digest("X", IteratedBlocks("X", one)) for one in (pieces, again, other))
    assert found == same != different


def test_one_block_of_another_dtype():
    """The same bytes, as other numbers."""
    X, y = np.arange(6, dtype="float32").reshape(3, 2), np.zeros(3, "int64")
    found, other = (digest("X", IteratedBlocks("X", [(one, y)])) for one in (X, X.view("int32")))
    assert found != other


@pytest.mark.parametrize("cells", ["lists", "spans", "bytes"])
def test_columns_that_are_not_written_as_text(cells):
    """Refused later on, unless an encoder reads them."""
    polars = pytest.importorskip("polars")
    make = {"lists": lambda n: [n], "spans": lambda n: timedelta(n), "bytes": lambda n: bytes([n])}[cells]
    one, again, other = (polars.DataFrame({"a": [make(1), make(n)]}) for n in (2, 2, 3))
    assert digest("X", one) == digest("X", again) != digest("X", other)
