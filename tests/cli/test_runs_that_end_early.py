"""Runs that are stopped, diverge, lose their reader or fail: one line, an exit code, nothing lost."""

import signal
import threading

import numpy as np
import pytest

import gpunet as gn


def test_a_run_that_diverges(gpunet, tmp_path):
    net = tmp_path / "net"
    code, _, err = gpunet(
        "train", "--optimizer", "gradient_descent", "--learning-rate", "1e30", "--save", net, "--loss", "squared_error",
        "--output", "identity",
    )  # fmt: skip
    assert code == 1
    assert "training diverged in epoch 1" in err
    assert not net.exists()


@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_stopped_run(process, tmp_path, number, code, name):
    """A long run stops with the shell's exit code; the network of that moment is saved, and the run can go on."""
    net, folder = tmp_path / "net", tmp_path / "run"
    command = ["-m", "gpunet", "train", "--epochs", 10**6, "--save", net, "--checkpoint", folder]
    child = process(*command)
    deadline = threading.Timer(60, child.kill)  # ends the reading below, too
    deadline.start()
    for line in child.stderr:
        if line.startswith("epoch"):  # it trains
            break
    deadline.cancel()
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    wanted = f"gpunet: stopped by {name}; saved: {net}; the same command goes on from {folder}"
    assert err.splitlines()[-1] == wanted
    saved, (checkpoint,) = gn.load(net, "numpy"), folder.glob("*.safetensors")
    for found, kept in zip(saved.parameters, gn.load(checkpoint, "numpy").parameters, strict=True):
        for a, b in zip(found, kept, strict=True):
            assert np.array_equal(a, b)
    assert {path.name for path in tmp_path.iterdir()} == {"net", "run"}


def test_a_stopped_run_goes_on(good, bad, tmp_path, monkeypatch):
    """As if nothing had happened, with values that are scaled for training, too."""
    from gpunet.training.loop import TrainingLoop

    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 3))
    np.savez(tmp_path / "data.npz", X=X, y=1e4 + 1e3 * X[:, 0])
    command = ["train", tmp_path / "data.npz", "--epochs", 6, "--patience", 4, "--hidden", 5, "--save"]
    whole = good(*command, tmp_path / "whole")
    run_steps, calls = TrainingLoop._run_steps, []

    def stopping(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return run_steps(self, *arguments)

    more = [tmp_path / "parts", "--checkpoint", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", stopping)
        with pytest.raises(SystemExit, match="130"):
            good(*command, *more)
    values = gn.load(tmp_path / "parts", "numpy").predict(X)
    assert 5e3 < values.mean() < 2e4  # in the targets' own unit
    parts = good(*command, *more)
    assert parts.replace("parts", "whole").splitlines()[-3:] == whole.splitlines()[-3:]
    both = (gn.load(tmp_path / name, "numpy").predict(X) for name in ("parts", "whole"))
    assert np.array_equal(*both)
    assert "epochs was 6, now it is 5" in bad(*command[:3], 5, *command[4:], *more)
    assert "--restart needs --checkpoint" in bad(*command, tmp_path / "net", "--restart")
    good(*command[:3], 2, *command[4:], *more, "--restart")


def test_closed_pipe(process):
    """As in ``gpunet lecture | true``: exit code 1 without a message."""
    child = process("-m", "gpunet", "lecture")
    child.stdout.close()
    err = child.stderr.read()
    assert child.wait(timeout=60) == 1
    assert err == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 9 TiB"), "Unable to allocate 9 TiB"),
        (gn.OutOfMemory("cuda:0 ran out of memory"), "cuda:0 ran out of memory"),
        (
            gn.FolderInUse("another run writes its checkpoints to run"),
            "another run writes its checkpoints to run",
        ),
        (gn.TeamError("4 processes were started"), "4 processes were started"),
    ],
)
def test_what_fails_is_one_line_without_a_traceback(gpunet, monkeypatch, error, said):
    def fail(options):
        raise error

    monkeypatch.setattr("gpunet.cli.options.train", fail)
    code, _, err = gpunet("train")
    assert (code, err) == (1, f"gpunet: error: {said}\n")
