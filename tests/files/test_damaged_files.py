"""Files that are cut short, damaged, foreign or wrongly described are refused."""

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

import gpunet as gn
from crafted_files import load_mutated
from file_parts import parts_of, write_parts
from saved_networks import data


def test_truncated_at_every_length(saved, tmp_path):
    whole, cut = saved.read_bytes(), tmp_path / "cut"
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(gn.FileRefused, match="cut"):
            gn.load(cut, "numpy")
    cut.write_bytes(whole + b"\0")
    with pytest.raises(gn.FileRefused):
        gn.load(cut, "numpy")


def test_any_one_byte_changed(saved, tmp_path):
    """Length, header, metadata and tensors: whatever is hit, the file is refused, or means the same."""
    whole, bad = saved.read_bytes(), tmp_path / "bad"
    X, _ = data()
    wanted = gn.load(saved, "numpy").predict(X)
    rng = np.random.default_rng(0)
    refused = 0
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= int(rng.integers(1, 256))
        bad.write_bytes(flipped)
        try:
            other = gn.load(bad, "numpy")
        except gn.FileRefused:
            refused += 1
        else:
            assert np.array_equal(other.predict(X), wanted)
    assert refused > 0.98 * len(whole)


def rewritten(path, old, new):
    """A copy of a saved file whose header says `new` in the place of `old`; the tensors' bytes are as they were."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].decode()
    assert header.count(old) == 1
    header = header.replace(old, new).encode()
    copy = path.with_name("rewritten")
    copy.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])
    return copy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"mean":', '"meal":'),  # the standardizer would be taken for one that is not fitted
        ('"mean":', '"zean":'),
        ('"deviation":', '"deviatiom":'),
        ('"b2":', '"b3":'),
        ('"W1":{"dtype":"F32","shape":[4,3]', '"W1":{"dtype":"F32","shape":[3,4]'),
        ('"b1":{"dtype":"F32","shape":[4,1]', '"b1":{"dtype":"F32","shape":[1,4]'),
        ('"mean":{"dtype":"F64","shape":[3]', '"mean":{"dtype":"F64","shape":[1,3]'),
        ('"b2":{"dtype":"F32"', '"b2":{"dtype":"I32"'),
    ],
)
def test_the_digest_covers_names_shapes_and_types(saved, old, new):
    """Such a file decodes, and its numbers are as saved: only the digest tells."""
    with pytest.raises(gn.FileRefused, match="SHA-256 does not match"):
        gn.load(rewritten(saved, old, new), "numpy")
    same = rewritten(saved, '"b2":', '"b2" :')
    assert np.array_equal(
        gn.load(same, "numpy").predict(data()[0]), gn.load(saved, "numpy").predict(data()[0])
    )


def foreign_header(text):
    return len(text).to_bytes(8, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"\0" * 100,
        b"\xff" * 100,
        b"W,b\n1,2\n",
        pickle.dumps({"W1": np.zeros(3)}),
        b"PK\x03\x04" + b"\0" * 60,
        foreign_header("[]"),
        foreign_header("null"),
        foreign_header('{"__metadata__": 3}'),
        foreign_header('{"__metadata__": ["format"]}'),
        foreign_header('{"__metadata__": {"format": "gpunet-1"}}'),
        foreign_header('{"W1": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4000000000]}}'),
        foreign_header("[" * 100_000),
    ],
)
def test_foreign_files(tmp_path, content):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(gn.FileRefused, match="foreign"):
        gn.load(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "fewer than 8 bytes"),
        (b"\0" * 7, "fewer than 8 bytes"),
        ((3).to_bytes(8, "little") + b"{}", "its header is longer than the file"),
        (foreign_header("[]"), "its header is not a JSON object"),
        (foreign_header('{"__metadata__": 3}'), "its header is not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, content, said):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(gn.FileRefused, match=rf"cut short or damaged \({said}\)"):
        gn.load(tmp_path / "file")


def test_a_header_that_fills_its_file(tmp_path):
    """Nothing follows the header: a file of no tensors, and not gpunet's."""
    (tmp_path / "file").write_bytes(foreign_header("{}"))
    with pytest.raises(
        gn.FileRefused, match="its metadata says format None, expected 'gpunet-1' or 'gpunet-2'"
    ):
        gn.load(tmp_path / "file")


def test_files_of_others(tmp_path):
    path = tmp_path / "theirs.safetensors"
    save_file({"weight": np.zeros((2, 2), "float32")}, path, {"format": "pt"})
    with pytest.raises(gn.FileRefused, match="'pt', expected 'gpunet-1' or 'gpunet-2'"):
        gn.load(path)
    np.savez(tmp_path / "net.npz", W1=np.zeros(3))
    with pytest.raises(gn.FileRefused, match="not a safetensors file"):
        gn.load(tmp_path / "net.npz")
    with pytest.raises(gn.FileRefused, match="folder"):
        gn.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        gn.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "change",
    [
        lambda about, tensors: about.pop("loss"),
        lambda about, tensors: about.update(loss="hinge"),
        lambda about, tensors: about.update(layers=[{"units": 4}]),
        lambda about, tensors: about.update(layers=3),
        lambda about, tensors: about.update(inputs=7),
        lambda about, tensors: about.update(dtype="float16"),
        lambda about, tensors: tensors.pop("b2"),
        lambda about, tensors: tensors.pop("deviation"),
        lambda about, tensors: tensors.pop("mean"),
        lambda about, tensors: [tensors.pop(name) for name in ("mean", "deviation")],
        lambda about, tensors: tensors.update(mean=tensors["mean"][:-1]),
        lambda about, tensors: tensors.update(mean=tensors["mean"][:, None]),
        lambda about, tensors: tensors.update(deviation=tensors["deviation"][:1]),
        lambda about, tensors: tensors.update(deviation=0 * tensors["deviation"]),
        lambda about, tensors: tensors.update(deviation=-tensors["deviation"]),
        lambda about, tensors: tensors.update(deviation=tensors["deviation"] * np.nan),
        lambda about, tensors: tensors.update(mean=tensors["mean"] + np.inf),
        lambda about, tensors: about.update(notes=None),
        lambda about, tensors: about.update(epochs_trained=-1),
        lambda about, tensors: about.update(epochs_trained=1.5),
        lambda about, tensors: about.update(seed="0"),
        lambda about, tensors: about.update(inputs=True),
        lambda about, tensors: tensors.update(W1=tensors["W1"].T.copy()),
        lambda about, tensors: tensors.update(W1=tensors["W1"] * np.float32("nan")),
    ],
)
def test_a_wrong_description_with_a_right_digest(saved, tmp_path, change):
    """A right digest does not make a network of it."""
    tensors, about = parts_of(saved)
    change(about, tensors)
    path = tmp_path / "wrong"
    write_parts(path, json.dumps(about), tensors, "gpunet-1")
    with pytest.raises(gn.FileRefused, match=r"does not describe a network|not one of gpunet's"):
        gn.load(path, "numpy")


@pytest.mark.parametrize("text", ["", "[", "null", "[]", "7", "[" * 100_000, '{"layers":' * 100_000])
def test_a_description_that_is_no_object(text, saved, tmp_path):
    tensors, _ = parts_of(saved)
    path = tmp_path / "wrong"
    write_parts(path, text, tensors)
    with pytest.raises(gn.FileRefused, match="does not describe a network"):
        gn.load(path, "numpy")


def test_crafted_descriptions_are_refused_or_networks():
    assert load_mutated(300) > 150


def test_a_wrong_backend_is_not_the_files_fault(saved):
    with pytest.raises(ValueError, match="Did you mean 'numpy'") as caught:
        gn.load(saved, "nunpy")
    assert not isinstance(caught.value, gn.FileRefused)


def test_eight_bytes_can_hold_a_length(tmp_path):
    (tmp_path / "file").write_bytes(b"\0" * 8)
    with pytest.raises(gn.FileRefused, match=r"damaged \(Expecting value"):
        gn.load(tmp_path / "file")
