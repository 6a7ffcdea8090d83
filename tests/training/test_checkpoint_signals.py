"""Ctrl-C and processes that are killed: the same call goes on."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gpunet as gn
from checkpoint_runs import OPTIMIZERS, examples, figures, network, numbers
from gpunet.training.loop import TrainingLoop


@pytest.fixture
def data():
    return examples()


def test_ctrl_c_saves_and_the_same_call_goes_on(data, tmp_path):
    X, y = data
    more = {"optimizer": OPTIMIZERS["momentum"], "epochs": 6, "batch_size": 5}
    whole = network()
    history = whole.fit(X, y, **more)
    run_steps, calls = TrainingLoop._run_steps, []

    def interrupting(self, *arguments):
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return run_steps(self, *arguments)

    net = network()
    checkpoint = gn.Checkpoint(tmp_path / "run", steps=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", interrupting)
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y, **more, checkpoint=checkpoint)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert 0 < net.history.epochs < 6
    assert net.history.loss == history.loss[: net.history.epochs]
    saved = gn.load(sorted(tmp_path.glob("run/*.safetensors"))[-1], "numpy")
    assert np.array_equal(numbers(saved), numbers(net))
    for one in (net, network()):  # in this process, and as in another one
        assert figures(one.fit(X, y, **more, checkpoint=checkpoint)) == figures(history)
        assert np.array_equal(numbers(one), numbers(whole))


def test_ctrl_c_twice_does_not_wait(data, tmp_path):
    run_steps = TrainingLoop._run_steps

    def interrupting(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one has not acted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", interrupting)
        with pytest.raises(KeyboardInterrupt):
            network().fit(*data, epochs=2, checkpoint=tmp_path / "run")
    assert TrainingLoop._run_steps is run_steps
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


SCRIPT = """
    import os, signal, sys
    import numpy as np
    import gpunet as gn
    from gpunet.training.loop import TrainingLoop

    folder, ending, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((200, 6)), rng.integers(0, 3, 200)
    run_steps, calls = TrainingLoop._run_steps, []

    def counting(self, *arguments):
        calls.append(1)
        if ending and len(calls) == at:
            os.kill(os.getpid(), getattr(signal, ending))
        return run_steps(self, *arguments)

    TrainingLoop._run_steps = counting
    net = gn.Network([gn.Dense(5, "tanh"), gn.Dense(3, "softmax")], seed=1, backend="numpy")
    history = net.fit(X, y, epochs=4, batch_size=10, checkpoint=gn.Checkpoint(folder, steps=3))
    print(history.loss, [W.tolist() for W, _ in net.parameters])
"""


def test_processes_that_are_killed(tmp_path):
    """However a process ends, the same command goes on; SIGTERM ends it with its own code."""
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))

    def run(folder, ending="", at=0):
        command = [sys.executable, str(script), str(tmp_path / folder), ending, str(at)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    whole = run("whole")
    assert whole.returncode == 0, whole.stderr
    assert run("parts", "SIGKILL", 9).returncode == -signal.SIGKILL
    assert run("parts", "SIGTERM", 4).returncode == -signal.SIGTERM
    assert run("parts", "SIGINT", 3).returncode == -signal.SIGINT
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) == 3
    assert run("parts").stdout == whole.stdout
