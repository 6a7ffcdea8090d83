"""Saved networks: everything comes back on every backend, and places they can be saved to."""

import json
import os
import stat
import sys

import numpy as np
import pytest

import gpunet as gn
from file_parts import parts_of, write_parts
from saved_networks import K, data, network, same


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_every_backend_to_every_other(backend, tmp_path, dtype):
    X, _ = data()
    net = network(backend.name, dtype)
    net.save(tmp_path / "net")
    for info in gn.list_backends():
        if not info.usable:
            continue
        other = gn.load(tmp_path / "net", backend=info.name)
        assert other.placement.backend.name == info.name
        assert same(net, other)
        np.testing.assert_allclose(other.predict(X), net.predict(X), rtol=1e-5)


def test_everything_comes_back(net, saved):
    other = gn.load(saved, "numpy")
    assert [(d.units, d.activation) for d in other.layers] == [(4, "tanh"), (K, "softmax")]
    assert other.layers[0].initializer == "glorot_uniform"
    for name in ("loss", "inputs", "seed", "dtype", "dropouts", "epochs_trained", "notes"):
        assert getattr(other, name) == getattr(net, name)
    assert other.standardizer.per == "set"
    assert np.array_equal(other.standardizer.mean, net.standardizer.mean)
    assert np.array_equal(other.standardizer.deviation, net.standardizer.deviation)
    assert other.evaluate(*data()) == net.evaluate(*data())
    other.fit(*data(), epochs=1, batch_size=None)
    assert other.epochs_trained == 3


def test_untrained_networks_can_be_kept_too(tmp_path):
    net = gn.Network([gn.Dense(2)], inputs=3, backend="numpy", standardizer=gn.Standardizer())
    net.save(tmp_path / "net")
    other = gn.load(str(tmp_path / "net"), "numpy")
    assert same(net, other)
    assert other.standardizer.mean is None


def test_a_file_is_made_of_plain_tensors(saved):
    from safetensors.numpy import load_file

    assert load_file(saved).keys() == {"W1", "b1", "W2", "b2", "mean", "deviation"}


def test_places_that_cannot_be_saved_to(net, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*missing.*make it"):
        net.save(tmp_path / "missing" / "net")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        net.save(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="no GPU: permissions of this kind are POSIX's")
def test_permissions_are_kept(net, tmp_path):
    path = tmp_path / "net"
    mask = os.umask(0o027)
    try:
        net.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        os.chmod(path, 0o604)
        net.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
        assert os.umask(0o027) == 0o027
        os.umask(0)
        net.save(tmp_path / "open")
        assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o666
    finally:
        os.umask(mask)


def test_links_are_followed(net, tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "net")
    net.save(link)
    assert link.is_symlink()
    assert same(gn.load(tmp_path / "real" / "net", "numpy"), net)


def test_names_as_long_as_names_can_be(net, tmp_path):
    for name in ("n" * 255, "é" * 127):
        net.save(tmp_path / name)
        assert same(gn.load(tmp_path / name, "numpy"), net)


def test_the_description_does_not_depend_on_the_order_of_notes(net, tmp_path):
    def written(notes):
        twin = gn.Network([gn.Dense(1)], inputs=1, seed=0, backend="numpy")
        twin.notes.update(notes)
        twin.save(tmp_path / "twin")
        return json.dumps(parts_of(tmp_path / "twin")[1])

    assert written({"a": 1, "b": 2}) == written({"b": 2, "a": 1})


def test_sizes_of_numpy_are_saved(tmp_path):
    """As y.max() + 1 is one."""
    layers = [
        gn.Dense(np.int64(4), "relu", trainable=np.True_),
        gn.Dropout(np.float32(0.25)),
        gn.Dense(np.uint8(3)),
    ]
    net = gn.Network(layers, inputs=np.int32(2), seed=np.int64(5), backend="numpy")
    net.save(tmp_path / "net")
    loaded = gn.load(tmp_path / "net", "numpy")
    assert (loaded.layers, loaded.dropouts, loaded.inputs, loaded.seed) == (net.layers, net.dropouts, 2, 5)


@pytest.mark.parametrize("own", [gn.Activation("own", max, max), [max], "relu", {"own": max}, 3])
def test_own_functions_come_in_a_list(tmp_path, own):
    """Found before the file is read, and no fault of the file."""
    with pytest.raises(
        TypeError, match=r"^own must be a list of gpunet\.Activation and gpunet\.Loss objects, got "
    ):
        gn.load(tmp_path / "none", own=own)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
@pytest.mark.parametrize(
    "name", ["ünïcödé 数", " blank ", "dots.and.more.", ".hidden", "a\\b", "*?", "new\nline", "\udcff"]
)
def test_names_of_any_characters(net, tmp_path, name):
    net.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    assert same(gn.load(tmp_path / name, "numpy"), net)
    assert same(gn.load(str(tmp_path / name), "numpy"), net)


@pytest.mark.parametrize(
    "notes",
    [{"when": {1, 2}}, {"array": np.zeros(2)}, {1: "one", "two": 2}, {"loop": []}],
    ids=lambda notes: str(list(notes)),
)
def test_notes_that_no_file_holds(net, saved, notes):
    """Nothing is written, and the network stays as it is."""
    old, twin = saved.read_bytes(), network()
    if "loop" in notes:
        notes["loop"].append(notes)
    twin.notes = notes
    with pytest.raises(
        TypeError, match="can't save the network's notes: expected text, numbers, and lists and"
    ):
        twin.save(saved)
    assert saved.read_bytes() == old
    twin.notes = {}
    twin.save(saved)


def test_a_file_of_the_first_version(net, saved, tmp_path):
    """It knows nothing of tables, of frozen layers, and of standardizers that only divide."""
    tensors, about = parts_of(saved)
    for name in ("target", "columns", "center"):
        del about[name]
    old = tmp_path / "old"
    write_parts(old, json.dumps(about), tensors, "gpunet-1")
    found = gn.load(old, "numpy")
    assert same(found, net) and found.evaluate(*data()) == net.evaluate(*data())
    assert found.standardizer.center and (found.target, found.columns, found.encoder) == (None, None, None)
    found.save(tmp_path / "new")
    assert same(gn.load(tmp_path / "new", "numpy"), net)


@pytest.mark.parametrize("path", [None, 3, b"net", ["net"]])
def test_what_is_no_path(net, path):
    with pytest.raises(TypeError, match=r"^path must be a path, a str or a pathlib\.Path, got "):
        net.save(path)
    with pytest.raises(TypeError, match=r"^path must be a path, a str or a pathlib\.Path, got "):
        gn.load(path)
