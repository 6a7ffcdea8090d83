"""Output that can't be written: found out at the start, or written in another way."""

import errno
import io
import os
import subprocess
import sys

import pytest

import gpunet as gn
from gpunet.cli import main
from gpunet.files import atomic

TRAIN = ("train", "digits", "--epochs", "1", "--hidden", "4")


def test_a_folder_that_cannot_be_written(gpunet, monkeypatch, tmp_path):
    """Before anything is trained."""
    monkeypatch.setattr(gn.Network, "fit", None)

    def refused(path, *more):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(atomic.os, "open", refused)
    for option in ("--save", "--plot"):
        code, _, error = gpunet(*TRAIN, option, tmp_path / "net.svg")
        assert (
            code == 2 and f"{option}: {tmp_path / 'net.svg'} can't be written: Read-only file system" in error
        )


def test_a_full_disk(gpunet, monkeypatch, tmp_path):
    monkeypatch.setattr(gn.Network, "fit", None)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    code, _, error = gpunet(*TRAIN, "--save", tmp_path / "net")
    assert code == 2 and "No space left on device" in error
    assert not list(tmp_path.iterdir())


def test_a_callback_that_saves_finds_out_at_the_start(monkeypatch, tmp_path):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match=r"can't save to .*No space left"):
        net.fit([[1.0], [2.0]], [1.0, 2.0], callbacks=[gn.SaveNetwork(tmp_path / "net")])
    assert net.epochs_trained == 0 and not list(tmp_path.iterdir())


def test_progress_without_standard_error(monkeypatch):
    """As in an application without a console (pythonw)."""
    monkeypatch.setattr(sys, "stderr", None)
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    assert net.fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, progress=True).epochs == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_characters_that_an_encoding_lacks(encoding, monkeypatch):
    from gpunet.cli import main

    bytes_written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_written, encoding=encoding))
    assert main(TRAIN) == 0
    text = bytes_written.getvalue().decode(encoding)
    assert ("─" * 70 if encoding == "utf-8" else "-" * 70) in text
    print("日", end="")
    sys.stdout.flush()
    assert bytes_written.getvalue().decode(encoding).endswith("日" if encoding == "utf-8" else "\\u65e5")


def test_without_standard_output():
    script = "import sys; sys.stdout = None; from gpunet.cli import main; sys.exit(main(['info']))"
    settings = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=os.environ | settings)


def test_no_word_is_cut_on_a_terminal(monkeypatch):
    """Elsewhere an error is one line."""
    for terminal in (True, False):
        err = io.StringIO()
        err.isatty = lambda terminal=terminal: terminal
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setenv("COLUMNS", "50")
        assert main(["lecture", "vanishing"]) == 2
        lines = err.getvalue().splitlines()
        assert " ".join(lines).startswith(
            "gpunet: error: the lecture has no experiment 'vanishing'; see depth. Give"
        )
        assert (len(lines) > 4 and max(map(len, lines)) <= 50) is terminal
        assert (len(lines) == 1) is not terminal


def test_two_outputs_in_one_file(gpunet, tmp_path):
    """By a link, too; before anything is trained or replaced."""
    (tmp_path / "net.svg").write_bytes(b"old")
    (tmp_path / "link.svg").symlink_to(tmp_path / "net.svg")
    code, _, error = gpunet(*TRAIN, "--save", tmp_path / "net.svg", "--plot", tmp_path / "link.svg")
    assert (
        code == 2
        and f"--save and --plot are both {tmp_path / 'link.svg'}: give each a name of its own" in error
    )
    assert (tmp_path / "net.svg").read_bytes() == b"old"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
@pytest.mark.parametrize(
    "name", ["ünïcödé 数.net", " spaced out ", "dots.and.more.", "-dash", "quote'\"", "a\\b", "new\nline"]
)
def test_names_of_files(good, tmp_path, monkeypatch, name):
    """Every command reads and writes them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name
    folder.mkdir()
    table = folder / f"{name}.csv"
    table.write_text(
        "a,b,y\n" + "".join(f"{k % 7},{k % 5},{'yes' if k % 7 > 3 else 'no'}\n" for k in range(40))
    )
    net = folder / name
    good(
        "train",
        table,
        "--epochs",
        1,
        "--hidden",
        4,
        "--backend",
        "numpy",
        "--save",
        net,
        "--log",
        folder / f"{name}.jsonl",
    )
    assert "accuracy" in good("evaluate", net, table)
    good("predict", net, table, "--out", folder / "out.csv")
    good("export", net, folder / f"{name}.onnx")
    names = ["out.csv", name, f"{name}.csv", f"{name}.jsonl", f"{name}.onnx"]
    assert sorted(os.listdir(folder)) == sorted(names)
