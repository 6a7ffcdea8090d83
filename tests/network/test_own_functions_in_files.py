"""Files of networks with functions of a user's own."""

import dataclasses

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.poisson import EXP, POISSON
from own_functions import QUARTIC, SINE, network


def test_files_name_them_and_say_what_load_needs(tmp_path, data):
    X, Y = data
    net = network()
    net.fit(X, Y, epochs=1)
    path = tmp_path / "own.safetensors"
    with pytest.warns(gn.FunctionsNotSaved, match=r"'quartic', 'sine'.*own=") as caught:
        net.save(path)
    assert caught[0].filename == __file__
    again = gn.load(path, own=[SINE, QUARTIC])
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert (again.loss, again.activations) == (QUARTIC, (SINE, "identity"))
    with pytest.raises(gn.FileRefused, match=r"activation 'sine'.*own=\[gpunet.Activation\('sine'"):
        gn.load(path, own=[QUARTIC])
    with pytest.raises(gn.FileRefused, match=r"loss 'quartic'.*own=\[gpunet.Loss\('quartic'"):
        gn.load(path, own=[SINE])


def test_two_of_one_name_are_not_saved(tmp_path):
    other = dataclasses.replace(SINE, low=-2.0)
    net = gn.Network([gn.Dense(2, SINE), gn.Dense(2, other)], inputs=2, backend="numpy")
    with pytest.raises(ValueError, match=r"'sine'.*its own name"):
        net.save(tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_files_of_networks_for_counts_are_whole(tmp_path, data):
    """gpunet's own functions that no name stands for need no definition; one of the user's of that name does."""
    net = gn.Network([gn.Dense(2, EXP)], POISSON, inputs=3, backend="numpy", seed=0)
    net.save(tmp_path / "net")
    again = gn.load(tmp_path / "net")
    assert (again.loss, again.layers[-1].activation) == (POISSON, EXP)
    X = np.ones((2, 3))
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    other = dataclasses.replace(SINE, name="exp")
    net = gn.Network([gn.Dense(2, other), gn.Dense(2, EXP)], POISSON, inputs=3, backend="numpy", seed=0)
    with pytest.warns(gn.FunctionsNotSaved, match="names 'exp' only"):
        net.save(tmp_path / "net")
    with pytest.raises(gn.FileRefused, match="the activation 'exp'"):
        gn.load(tmp_path / "net")
    assert gn.load(tmp_path / "net", own=[other]).activations == (other, EXP)


@pytest.mark.parametrize("kind", [SINE, QUARTIC], ids=lambda one: one.name)
def test_names_that_are_gpunets_own_in_files(kind):
    with pytest.raises(ValueError, match=r"names that begin with 'gpunet\.' are gpunet's own"):
        dataclasses.replace(kind, name="gpunet.exp")
