"""Two columns of one name are refused, and the message says in which argument."""

import pandas
import pytest

import gpunet as gn


def test_duplicate_columns_of_the_first_frame():
    X = pandas.DataFrame([[0.0, 1.0], [1.0, 0.0]], columns=["a", "a"])
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    with pytest.raises(ValueError, match=r"^X\b.*'a'"):
        net.fit(X, [0.0, 1.0], epochs=1)
