"""``gpunet info``, ``python -m gpunet`` and plots."""

import re

import numpy as np
import pytest

import gpunet as gn
from gpunet.plots import training


def without_measurements(text):
    """The text without line breaks and measured speeds, which differ from call to call."""
    return re.sub(r"\d+ GFLOP/s", "GFLOP/s", " ".join(text.split()))


def test_info(good):
    out = good("info")
    assert out.startswith(f"gpunet {gn.__version__}, Python ")
    for row in gn.list_backends():
        assert f"  {row.name:<10}{'usable on' if row.usable else 'not usable'}" in out
        for line in gn.get_backend(row.name).details() if row.usable else [row.reason]:
            assert without_measurements(line) in without_measurements(out)
    assert f"default backend: {gn.get_backend().name}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_backend_whose_details_fail_hides_no_other(good, monkeypatch):
    def failing(self):
        raise OSError("no driver")

    monkeypatch.setattr(type(gn.get_backend("readonly")), "details", failing)
    out = " ".join(good("info").split())
    assert "its details can't be listed: OSError: no driver" in out
    assert f"default backend: {gn.get_backend().name}" in out


def test_run_as_a_module(process):
    child = process("-m", "gpunet", "--version")
    assert child.communicate(timeout=60)[0] == f"gpunet {gn.__version__}\n"
    assert child.returncode == 0


def size_of(path):
    from matplotlib.image import imread

    return imread(path).shape


@pytest.mark.parametrize(
    ("arguments", "panels"),
    [
        (["digits"], 2),
        (["digits", "--hidden", "none", "--validation-fraction", 0.1], 3),
        (["FLOWERS", "--hidden", "4", "--patience", 1], 2),
        (["FLOWERS", "--epochs", 1, "--validation-fraction", 0], 1),
    ],
)
def test_plots_have_panels_for_loss_accuracy_and_weights(good, flowers, tmp_path, arguments, panels):
    arguments = [flowers[0] if argument == "FLOWERS" else argument for argument in arguments]
    out = good("train", "--epochs", 3, *arguments, "--plot", tmp_path / "run.png")
    assert f"plot: {tmp_path / 'run.png'}" in out
    assert size_of(tmp_path / "run.png")[:2] == (540, 630 * panels)


def test_colour_images_and_vector_files(tmp_path):
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    X = np.random.default_rng(0).normal(size=(20, 4, 5, 3))
    history = net.fit(X, np.arange(20) % 2, epochs=1, batch_size=5)
    net.notes["image_shape"] = [4, 5, 3]
    figure = training(history, tmp_path / "run.svg", network=net)
    assert len(figure.subfigs) == 2
    assert figure._repr_png_().startswith(b"\x89PNG")  # notebooks show it
    assert len(history.plot().subfigs) == 1  # no file is needed
    history.plot(tmp_path / "again.png")
    assert (tmp_path / "again.png").exists()
    with pytest.raises(ValueError, match="no epochs"):
        gn.History().plot()
    assert "<svg" in (tmp_path / "run.svg").read_text()


def test_the_neurons_with_the_largest_weights_are_drawn(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn = []
    monkeypatch.setattr(Axes, "imshow", lambda self, image, **options: drawn.append(image[0, 0]))
    net = gn.Network([gn.Dense(20), gn.Dense(2, "softmax")], inputs=4, seed=0, backend="numpy")
    history = net.fit(np.zeros((4, 4)), [0, 1, 0, 1], epochs=1)
    sizes = np.random.default_rng(0).permutation(20) * (-1.0) ** np.arange(20)
    net.set_parameters([(np.outer(sizes, np.ones(4)), np.zeros((20, 1))), net.parameters[1]])
    net.notes["image_shape"] = [2, 2]
    training(history, tmp_path / "run.png", network=net)
    assert drawn == [size for size in sizes if abs(size) >= 4]
