"""The example of "Serve a network": a real server, real requests, from many threads."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "how-to" / "serve.py"
HOST = "127.0.0.1"


def free_port():
    with socket.socket() as one:
        one.bind((HOST, 0))
        return one.getsockname()[1]


def ask(port, rows):
    """Status and answer of one request."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(
            "POST", "/predict", json.dumps({"rows": rows}), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def data():
    pytest.importorskip("sklearn")
    return gn.datasets.digits()


@pytest.fixture(scope="module")
def net(data):
    # Wide enough for the compiled forward pass, which has buffers for each thread.
    net = gn.Network([gn.Dense(800, "relu"), gn.Dense(10, "softmax")], seed=0, backend="numpy")
    net.fit(data.X, data.y, optimizer=gn.Adam(0.003), epochs=3)
    return net


@pytest.fixture(scope="module")
def port(net, tmp_path_factory):
    """A server with the example and this network, on a free port."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    folder, port = tmp_path_factory.mktemp("serve"), free_port()
    net.save(folder / "digits.safetensors")
    (folder / "serve.py").write_bytes(EXAMPLE.read_bytes())
    paths = os.pathsep.join(map(str, (folder, ROOT, ROOT / "backends")))
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "serve:app",
            "--host",
            HOST,
            "--port",
            str(port),
            "--log-level",
            "warning",
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(600):
            assert child.poll() is None, child.stderr.read()
            with socket.socket() as one:
                if one.connect_ex((HOST, port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        child.wait(timeout=60)
        child.stderr.close()


def test_it_has_thirty_lines():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 30


def test_it_predicts(port, net, data):
    status, answer = ask(port, data.X_test[:20].tolist())
    assert status == 200
    expected = net.predict(data.X_test[:20])
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    assert answer["classes"] == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("rows", [[[1.0, 2.0, 3.0]], [[1.0], [1.0, 2.0]], [], "digits", [[1e999] * 64]])
def test_it_refuses_what_does_not_fit(port, rows):
    status, answer = ask(port, rows)
    assert status == 422
    assert "detail" in answer


def test_it_says_what_gpunet_says(port):
    assert ask(port, [[0.0] * 3])[1]["detail"].startswith("X has 3 features per example")


def test_each_of_many_callers_gets_its_own_answer(port, net, data):
    """Requests of one row and of many at once: threads of the server must not share buffers."""
    parts = [data.X_test[k : k + size] for size in (1, 7, 90) for k in range(0, 100)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda part: ask(port, part.tolist()), parts))
    for part, (status, answer) in zip(parts, answers, strict=True):
        assert status == 200
        np.testing.assert_allclose(answer["probabilities"], net.predict(part), atol=1e-6)
