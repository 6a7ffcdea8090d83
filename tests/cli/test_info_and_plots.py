"""``gpunet info``, ``python -m gpunet`` and pictures."""

import re

import numpy as np
import pytest

import gpunet as gn
from gpunet.plots import training


def unmeasured(text):
    """Words without line breaks, and without the figures that differ from one look to the next."""
    return re.sub(r"\d+ GFLOP/s", "GFLOP/s", " ".join(text.split()))


def test_info(good):
    out = good("info")
    assert out.startswith(f"gpunet {gn.__version__}, Python ")
    for row in gn.list_backends():
        assert f"  {row.name:<10}{'usable on' if row.usable else 'not usable'}" in out
        for line in gn.get_backend(row.name).details() if row.usable else [row.reason]:
            assert unmeasured(line) in unmeasured(out)
    assert f"chosen by default: {gn.get_backend().name}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_module_and_a_version(alone):
    process = alone("-m", "gpunet", "--version")
    assert process.communicate(timeout=60)[0] == f"gpunet {gn.__version__}\n"
    assert process.returncode == 0


def size_of(path):
    from matplotlib.image import imread

    return imread(path).shape


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["digits"], 2),
        (["digits", "--hidden", "none", "--validation-fraction", 0.1], 3),
        (["FLOWERS", "--hidden", "4", "--patience", 1], 2),
        (["FLOWERS", "--epochs", 1], 1),
    ],
)
def test_plots_have_a_part_for_each_thing(good, blobs, tmp_path, arguments, parts):
    arguments = [blobs[0] if argument == "FLOWERS" else argument for argument in arguments]
    out = good("train", "--epochs", 3, *arguments, "--plot", tmp_path / "run.png")
    assert f"drawn: {tmp_path / 'run.png'}" in out
    assert size_of(tmp_path / "run.png")[:2] == (540, 630 * parts)


def test_colour_images_and_vector_files(tmp_path):
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    X = np.random.default_rng(0).normal(size=(20, 4, 5, 3))
    history = net.fit(X, np.arange(20) % 2, epochs=1, batch_size=5)
    net.notes["image_shape"] = [4, 5, 3]
    training(history, tmp_path / "run.svg", network=net)
    assert "<svg" in (tmp_path / "run.svg").read_text()
