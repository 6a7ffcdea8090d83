"""MNIST and Fashion-MNIST: folders, sums and downloads, on toy files and on the published ones."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import importlib
import os
import re
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import gpunet.datasets as datasets
from gpunet.datasets import download
from gpunet.installation import install_command

pytestmark = pytest.mark.slow

# `datasets.mnist` is the function; this is the module of the same name.
source = importlib.import_module("gpunet.datasets.mnist")

PUBLISHED = Path(os.environ.get("GPUNET_DATA") or Path(__file__).parents[3] / "shared" / "data" / "mnist")
has_published = any((PUBLISHED / sub / f"{source.FILES[0]}.gz").is_file() for sub in ("", "mnist"))
needs_published = pytest.mark.skipif(
    not has_published, reason="full MNIST is not there: name its folder in GPUNET_DATA"
)


def write_toy(folder, packed=True, classes=10):
    """Write four small IDX files; return their SHA-256 sums by name."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    sums = {}
    for name, count in zip(source.FILES, (20, 20, 10, 10), strict=True):
        shape = (count, 28, 28) if "images" in name else (count,)
        numbers = rng.integers(0, 256 if "images" in name else classes, shape, dtype=np.uint8)
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        content += numbers.tobytes()
        if packed:
            name, content = f"{name}.gz", gzip.compress(content, mtime=0)
        (folder / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    return sums


def toy_source(sums, name="fashion", mirrors=()):
    return dataclasses.replace(
        source.FASHION, name=name, sums=sums, mirrors=mirrors, train_examples=20, test_examples=10
    )


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("GPUNET_DATA", raising=False)


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("sub", ["", "fashion"], ids=["itself", "sub-folder"])
@pytest.mark.parametrize("by", ["folder", "GPUNET_DATA"])
def test_reads_a_folder(tmp_path, monkeypatch, packed, sub, by):
    toy = toy_source(write_toy(tmp_path / sub, packed))
    if by == "GPUNET_DATA":
        monkeypatch.setenv("GPUNET_DATA", str(tmp_path))
    data = source.read(toy, tmp_path if by == "folder" else None)
    assert data.X.shape == (20, 784)
    assert data.X_test.shape == (10, 784)
    assert data.X.dtype == np.float32
    assert data.y.dtype == data.y_test.dtype == np.int64
    assert data.image_shape == (28, 28)
    # C1: row-major fractions; the generator's first numbers are the first image's.
    first = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)[0]
    np.testing.assert_array_equal(data.X[0], first.reshape(-1).astype(np.float32) / np.float32(255))


def test_folder_takes_precedence_over_the_environment(tmp_path, monkeypatch):
    toy = toy_source(write_toy(tmp_path / "good"))
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path / "nowhere"))
    assert len(source.read(toy, tmp_path / "good").X) == 20
    with pytest.raises(FileNotFoundError, match="GPUNET_DATA names"):
        source.read(toy, None)


def test_missing_folder_and_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*is not a folder"):
        datasets.mnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no file of MNIST"):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize("gone", range(4))
def test_partial_folder_names_the_missing_file(tmp_path, gone):
    toy = toy_source(write_toy(tmp_path))
    (tmp_path / f"{source.FILES[gone]}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"{source.FILES[gone]} .*missing"):
        source.read(toy, tmp_path)


@pytest.mark.parametrize("name", source.FILES)
@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
def test_wrong_sum_names_file_and_both_sums(tmp_path, name, packed):
    sums = write_toy(tmp_path, packed)
    path = tmp_path / (f"{name}.gz" if packed else name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256") as caught:
        source.read(toy_source(sums), tmp_path)
    for part in (str(path), sums[path.name], hashlib.sha256(content).hexdigest()):
        assert part in str(caught.value)


def test_plain_files_without_known_sums_are_checked_for_structure(tmp_path):
    write_toy(tmp_path, packed=False)
    toy = toy_source({})
    assert len(source.read(toy, tmp_path).X) == 20
    path = tmp_path / source.FILES[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="truncated"):
        source.read(toy, tmp_path)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(21, 28, 28\)"):
        source.read(dataclasses.replace(toy, train_examples=21), tmp_path)


def test_files_of_mnist_without_known_sums_are_refused(tmp_path, monkeypatch):
    """The unpacked files of Fashion-MNIST have no published sums, and those of MNIST the same names."""
    sums = write_toy(tmp_path, packed=False)
    monkeypatch.setattr(source, "MNIST", dataclasses.replace(source.MNIST, sums=sums))
    with pytest.raises(ValueError, match=r"not a file of Fashion-MNIST.*sum of a file of MNIST"):
        source.read(toy_source({}), tmp_path)


def test_labels_out_of_range(tmp_path):
    write_toy(tmp_path, packed=False, classes=200)
    with pytest.raises(ValueError, match="expected labels from 0 to 9"):
        source.read(toy_source({}), tmp_path)


@pytest.fixture
def server(tmp_path):
    """A local HTTP mirror: its URL, its folder and the requests that it has answered."""
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            requests.append(args[0])

    root = tmp_path / "mirror"
    root.mkdir()
    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/", root, requests
        httpd.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch", reason="downloads need pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "gpunet" / "fashion"


def test_downloads_once(server, cache):
    address, root, requests = server
    toy = toy_source(write_toy(root), mirrors=(address,))
    first = source.read(toy, None)
    assert len(requests) == 4
    again = source.read(toy, None)
    assert len(requests) == 4, "files in the cache are downloaded again"
    np.testing.assert_array_equal(first.X, again.X)
    assert {path.name for path in cache.iterdir()} == set(toy.sums)


def test_a_damaged_cached_file_is_replaced(server, cache):
    address, root, requests = server
    toy = toy_source(write_toy(root), mirrors=(address,))
    source.read(toy, None)
    (cache / f"{source.FILES[2]}.gz").write_bytes(b"cut")
    assert len(source.read(toy, None).X) == 20
    assert len(requests) == 5


def test_the_second_mirror_is_tried(server, cache):
    address, root, _ = server
    toy = toy_source(write_toy(root / "second"), mirrors=(address, f"{address}second/"))
    assert len(source.read(toy, None).X) == 20


def test_a_failed_download_leaves_no_file_and_says_what_to_do(server, cache):
    address, root, _ = server
    sums = write_toy(root)
    (root / f"{source.FILES[0]}.gz").write_bytes(b"an error page")
    toy = toy_source(sums, mirrors=(address, f"{address}nowhere/"))
    with pytest.raises(FileNotFoundError, match="GPUNET_DATA") as caught:
        source.read(toy, None)
    for part in (source.FILES[0], f"{address}:", f"{address}nowhere/:", "404"):
        assert part in str(caught.value)
    assert not cache.exists() or not list(cache.iterdir())


def test_a_download_without_end(server, cache, monkeypatch):
    address, root, _ = server
    toy = toy_source(write_toy(root), mirrors=(address,))
    monkeypatch.setattr(download, "LARGEST", 100)
    (root / f"{source.FILES[0]}.gz").write_bytes(bytes(3 * 2**20))
    with pytest.raises(FileNotFoundError, match="more than 100 bytes"):
        source.read(toy, None)
    assert not cache.exists() or not list(cache.iterdir())


def test_with_a_folder_nothing_is_downloaded(tmp_path, server, cache):
    address, root, requests = server
    toy = toy_source(write_toy(root), mirrors=(address,))
    with pytest.raises(FileNotFoundError):
        source.read(toy, tmp_path / "nowhere")
    assert requests == []


def test_without_pooch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=re.escape(install_command("download"))):
        datasets.mnist()


@pytest.mark.parametrize("which", [source.MNIST, source.FASHION], ids=lambda which: which.name)
def test_every_packed_file_has_a_sum(which):
    assert {f"{name}.gz" for name in source.FILES} <= set(which.sums)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in which.sums.values())
    assert len(set(which.sums.values())) == len(which.sums)


@needs_published
def test_published_mnist():
    data = datasets.mnist(PUBLISHED)
    assert (data.X.shape, data.X_test.shape) == ((60000, 784), (10000, 784))
    assert data.X.dtype == np.float32
    assert (data.X.min(), data.X.max()) == (0, 1)
    assert data.X.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert data.X.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    assert data.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert set(data.y) == set(range(10))


@needs_published
@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
def test_files_of_mnist_are_not_read_as_fashion_mnist(tmp_path, packed):
    place = next(p for p in (PUBLISHED, PUBLISHED / "mnist") if (p / f"{source.FILES[0]}.gz").is_file())
    for name in source.FILES:
        content = (place / f"{name}.gz").read_bytes()
        target = tmp_path / (f"{name}.gz" if packed else name)
        target.write_bytes(content if packed else gzip.decompress(content))
    with pytest.raises(ValueError, match=r"not a file of Fashion-MNIST.*sum of a file of MNIST"):
        datasets.fashion(tmp_path)
    assert len(datasets.mnist(tmp_path).X) == 60000
