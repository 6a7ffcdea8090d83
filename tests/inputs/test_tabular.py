"""Tables and targets in words on their way to arrays."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.fit_data import FitArrays, split_rows
from gpunet.inputs.tabular import Tabular, encoded

M = 40
SIZE = np.arange(M) % 7 / 2.0
COLOR = np.array(["red", "green", "blue", "red", "green"] * (M // 5))
ANIMAL = np.array(["cat", "dog"] * (M // 2))
FRAME = {"size": SIZE, "color": COLOR}


def of(X, y=None, sample_weight=None, class_weight=None, validation_data=None, validation_fraction=0.0):
    return FitArrays(X, y, sample_weight, class_weight, validation_data, validation_fraction)


def with_encoder():
    return Tabular(encoder=gn.TableEncoder())


SIGMOID = gn.Dense(1, "sigmoid")


def test_columns_by_name_are_split_as_a_table_is():
    """A dict of columns, whose length is the number of columns, has rows like any other table."""
    training = split_rows(M, 0.25, 3)[0]
    alone = gn.TableEncoder().fit({name: column[training] for name, column in FRAME.items()})
    arrays, tabular = encoded(
        with_encoder(), of(FRAME, ANIMAL, validation_fraction=0.25), "float32", SIGMOID, 3
    )
    assert arrays.X.shape == (M, len(alone.feature_names))
    assert np.array_equal(arrays.X, alone.transform(FRAME, "float32"))
    assert tabular.encoder.to_state()[0] == alone.to_state()[0]


def test_what_is_no_table_is_named():
    for X, validation, name in (
        (np.zeros((M, 2)), None, "X"),
        (FRAME, (np.zeros((M, 2)), ANIMAL), "validation X"),
    ):
        given = of(X, ANIMAL, validation_data=validation)
        with pytest.raises(TypeError, match=rf"^{name} must be a Table, a DataFrame or a dict"):
            encoded(with_encoder(), given, "float32", SIGMOID, 0)


def test_missing_targets_are_named():
    _, tabular = encoded(with_encoder(), of(FRAME, ANIMAL), "float32", SIGMOID, 0)
    for given, name in ((of(FRAME), "y"), (of(FRAME, ANIMAL, validation_data=(FRAME, None)), "validation y")):
        for known in (with_encoder(), tabular):  # in the first run, and in a later one
            with pytest.raises(TypeError, match=f"^{name} is missing: give targets, or a Table"):
                encoded(known, given, "float32", SIGMOID, 0)
