"""Teams whose ranks have a GPU each: arrays go from GPU to GPU. Ranks are threads, NCCL is a stand-in."""

import sys
import warnings
from collections import Counter, deque

import numpy as np
import pytest

import fake_cupy
import fake_nccl
import gpunet as gn
import thread_team
from gpunet.teams.engine import Engine
from gpunet_cupy import nccl as module
from gpunet_cupy.nccl import NCCL
from small_networks import host

DATA = np.random.default_rng(0)
X, Y = DATA.standard_normal((83, 5)).astype("float32"), DATA.integers(0, 3, 83)
OPTIMIZERS = {
    "adamw": gn.AdamW(0.02, weight_decay=0.1),  # each rank updates its section
    "clipped": gn.Adam(0.02, clip_norm=0.5),  # each rank updates all
    "descent": gn.GradientDescent(0.1),  # without slots
}
REASON = "a team adds up the gradients of lanes"
BY_NCCL = f"{REASON}; arrays go from GPU to GPU by NCCL 2.27.3"
THROUGH_HOST = f"{REASON}; arrays go through the host: "


@pytest.fixture
def library(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    fake_cupy.make_usable(monkeypatch, [f"cuda:{i}" for i in range(8)])
    monkeypatch.delenv(module.SWITCH, raising=False)
    return fake_nccl.install(cupy, monkeypatch)


def fitted(team, *, name="adamw", device=None, dtype="float32", backend="cupy", epochs=2):
    """The weights' bytes, and the history."""
    where = f"{backend}:{team.rank if device is None else device}" if backend == "cupy" else backend
    layers = [gn.Dense(6, "tanh"), gn.Dropout(0.3), gn.Dense(3, "softmax")]
    net = gn.Network(layers, seed=3, backend=where, dtype=dtype)
    optimizer = OPTIMIZERS[name]
    history = net.fit(X.astype(dtype), Y, batch_size=20, epochs=epochs, optimizer=optimizer, team=team)
    return b"".join(np.array(p).tobytes() for p in host(net)), history


def good(results):
    errors = [result for result in results if isinstance(result, Exception)]
    for error in sorted(errors, key=lambda error: isinstance(error, thread_team.Aborted)):
        raise error
    return results


@pytest.fixture
def carried(monkeypatch):
    """Arrays that the engine carries."""
    counts = []
    for name in ("exchange", "spread"):
        whole = getattr(thread_team.Threads, name)

        def counted(self, *given, whole=whole):
            counts.append(self.rank)
            return whole(self, *given)

        monkeypatch.setattr(thread_team.Threads, name, counted)
    return counts


@pytest.mark.parametrize(
    ("name", "dtype"), [("adamw", "float32"), ("clipped", "float64"), ("descent", "float32")]
)
def test_the_same_bits_on_any_number_of_gpus(library, carried, name, dtype):
    alone, history = fitted(gn.Team("alone"), name=name, dtype=dtype)
    assert history.reason == REASON
    on_cpu = fitted(gn.Team("alone"), name=name, dtype=dtype, backend="numpy")
    assert alone == on_cpu[0]
    for ranks in (2, 3, 8):
        library.sent = 0
        results = good(thread_team.on_ranks(ranks, lambda team: fitted(team, name=name, dtype=dtype)))
        assert [weights for weights, _ in results] == [alone] * ranks
        for _, found in results:
            assert found.reason == BY_NCCL
            assert found.loss == history.loss
        assert library.sent > 0
    assert carried == []


def test_ranks_that_share_a_gpu_go_through_the_host(library, carried):
    alone = fitted(gn.Team("alone"))[0]
    for weights, history in good(thread_team.on_ranks(3, lambda team: fitted(team, device=team.rank % 2))):
        assert weights == alone
        assert history.reason == f"{THROUGH_HOST}one GPU is shared by ranks 0 and 2"
    assert carried
    assert library.connections == []


def absent(monkeypatch, library):
    monkeypatch.delattr(sys.modules["cupy.cuda"], "nccl")


def warned_of(monkeypatch, library):
    def missing(name):
        warnings.warn("no library", stacklevel=2)  # an error in these tests
        raise AssertionError

    absent(monkeypatch, library)
    monkeypatch.setattr(sys.modules["cupy.cuda"], "__getattr__", missing, raising=False)


def not_found(monkeypatch, library):
    monkeypatch.setattr(library, "available", False)


def old(monkeypatch, library):
    monkeypatch.setattr(library, "get_build_version", lambda: 2699)


def off(monkeypatch, library):
    monkeypatch.setenv(module.SWITCH, "0")


def survivors(monkeypatch, library):
    monkeypatch.setattr(thread_team.Threads, "survives", True)


WITHOUT = {
    absent: "CuPy finds no NCCL: install nvidia-nccl-cu13, or -cu12 to match the driver (rank 0)",
    warned_of: "CuPy finds no NCCL: install nvidia-nccl-cu13, or -cu12 to match the driver (rank 0)",
    not_found: "CuPy finds no NCCL: install nvidia-nccl-cu13, or -cu12 to match the driver (rank 0)",
    old: "this CuPy was built for an NCCL older than 2.7 (rank 0)",
    off: "GPUNET_NCCL=0 says so (rank 0)",
    survivors: "GPUs that wait for a rank that has died could not go on with the others",
}


@pytest.mark.parametrize("without", WITHOUT)
def test_without_nccl_arrays_go_through_the_host(library, monkeypatch, without):
    alone = fitted(gn.Team("alone"))[0]
    without(monkeypatch, library)
    for weights, history in good(thread_team.on_ranks(2, fitted)):
        assert weights == alone
        assert history.reason == THROUGH_HOST + WITHOUT[without]


def test_one_rank_without_nccl_is_enough(library, monkeypatch):
    """Else the others would wait for it."""
    reason = NCCL.unavailable_reason
    monkeypatch.setattr(
        NCCL,
        "unavailable_reason",
        lambda self: reason(self) or ("none here" if self.device == "cuda:1" else None),
    )
    for _, history in good(thread_team.on_ranks(3, fitted)):
        assert history.reason == f"{THROUGH_HOST}none here (rank 1)"


def test_nccl_2_7_will_do(library, monkeypatch):
    monkeypatch.setattr(library, "get_build_version", lambda: 2700)
    monkeypatch.setenv(module.SWITCH, "1")
    assert NCCL("cuda:0").unavailable_reason() is None


@pytest.mark.parametrize(
    ("code", "words"), [(2708, "2.7.8"), (2804, "2.8.4"), (20906, "2.9.6"), (22703, "2.27.3")]
)
def test_versions(library, monkeypatch, code, words):
    monkeypatch.setattr(library, "get_version", lambda: code)
    assert NCCL("cuda:0").name == f"NCCL {words}"


def test_addresses(library, monkeypatch, tmp_path):
    """Of two containers on one computer, too."""
    boot = tmp_path / "boot_id"
    boot.write_text("a computer\n")
    monkeypatch.setattr(module, "BOOT", boot)
    monkeypatch.setattr("platform.node", lambda: "a name")
    assert NCCL("cuda:3").address() == "a computer 0000:03:00.0"
    boot.unlink()
    assert NCCL("cuda:0").address() == "a name 0000:00:00.0"


def test_a_connection_is_kept_while_all_ranks_keep_their_gpus(library):
    def run(team):
        fitted(team)
        fitted(team)
        before = len(library.connections)
        team.gather(None)
        weights, history = fitted(team, device=5 if team.rank == 1 else None)
        return before, weights, history.reason

    results = good(thread_team.on_ranks(2, run))
    assert {before for before, _, _ in results} == {2}
    assert sorted(library.connections) == [(0, 2), (0, 2), (1, 2), (1, 2)]
    assert {weights for _, weights, _ in results} == {fitted(gn.Team("alone"))[0]}
    assert {reason for _, _, reason in results} == {BY_NCCL}


@pytest.mark.parametrize(
    ("call", "what"), [("connect", "connecting the GPUs"), ("send", "exchanging arrays")]
)
def test_an_error_of_nccl_ends_the_job(library, call, what):
    library.fails[call] = 1
    engines = {}

    def run(team):
        engines[team.rank] = team.engine
        if call == "connect" and team.rank == 0:
            team.engine.connected = None
        return fitted(team)

    library.wires.receive = lambda *key: library.wires.box(*key).get(timeout=1)
    results = thread_team.on_ranks(2, run)
    assert isinstance(results[1], gn.TeamError)
    assert str(results[1]).startswith(
        f"NCCL failed while {what} (NCCL_ERROR_SYSTEM_ERROR: unhandled system error): another rank may have died, or"
    )
    assert "GPUNET_NCCL=0" in str(results[1])
    assert engines[1].aborted_by is results[1]


def connected(library, size=2, rank=0):
    communicator = NCCL("cuda:0")
    communicator.connect(communicator.new_id(), rank, size)
    return communicator


def test_an_error_that_comes_later(library, monkeypatch):
    """The GPU would wait for ever."""
    communicator = connected(library)
    library.fails["asynchronous"] = 0
    polls = iter([module.NOT_READY] * 5)
    monkeypatch.setattr(sys.modules["cupy.cuda"].runtime, "eventQuery", lambda event: next(polls))
    communicator.events.append(fake_cupy.Event())
    with pytest.raises(gn.TeamError, match="NCCL failed while exchanging arrays"):
        communicator.wait()


def test_an_error_of_the_gpu_is_not_waited_for(library, monkeypatch):
    """NCCL need not notice it, and no event is ever done."""
    communicator = connected(library, size=1)
    statuses = iter([module.NOT_READY, 700, 700])  # 700: cudaErrorIllegalAddress
    monkeypatch.setattr(sys.modules["cupy.cuda"].runtime, "eventQuery", lambda event: next(statuses))

    def fail(self):
        raise RuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")

    monkeypatch.setattr(fake_cupy.Event, "synchronize", fail)
    communicator.events.append(fake_cupy.Event())
    with pytest.raises(RuntimeError, match="cudaErrorIllegalAddress"):
        communicator.wait()


@pytest.mark.parametrize("ends", [True, False])
def test_a_group_ends_with_an_error(ends, library, monkeypatch):
    """Else what this thread calls next would be in it, and never begin."""
    communicator = connected(library)

    def fail(*given):
        raise fake_nccl.NcclError(4)

    monkeypatch.setattr(communicator.library, "send", fail)
    ended = []
    monkeypatch.setattr(library, "groupEnd", lambda: (ended.append(True), None if ends else fail()))
    part = fake_cupy.to_device(np.arange(3, dtype="float32"))
    with pytest.raises(gn.TeamError, match=r"exchanging arrays .*INVALID_ARGUMENT"):
        communicator.spread(part, [3, 3])
    assert ended == [True] and not communicator.events


def test_an_id_that_can_not_be_made(library, monkeypatch):
    def fail():
        raise fake_nccl.NcclError(2)

    monkeypatch.setattr(library, "get_unique_id", fail)
    with pytest.raises(gn.TeamError, match="NCCL failed while making an id"):
        NCCL("cuda:0").new_id()


def test_the_host_runs_ahead_of_the_gpu_by_two_calls(library, monkeypatch):
    """One more, and it waits for the first."""
    waits = []

    polls = Counter()

    def slow(event):
        polls[event] += 1
        return 0 if polls[event] > 3 else module.NOT_READY

    monkeypatch.setattr(sys.modules["cupy.cuda"].runtime, "eventQuery", slow)
    monkeypatch.setattr(module.time, "sleep", waits.append)
    communicator = connected(library, size=1)
    part = fake_cupy.to_device(np.arange(3, dtype="float32"))
    queued = []
    for _ in range(4):
        np.testing.assert_array_equal(np.array(communicator.spread(part, [3])), [0, 1, 2])
        queued.append((len(communicator.events), len(waits)))
    assert queued == [(1, 0), (2, 0), (2, 3), (2, 6)]
    communicator.wait()
    assert communicator.events == deque()
    assert waits == [module.POLL_SECONDS] * 12


@pytest.mark.parametrize(("ranks", "lanes", "length"), [(2, 8, 1), (3, 8, 2), (5, 5, 3), (4, 13, 100)])
def test_vectors_shorter_than_the_ranks_are_many(library, ranks, lanes, length):
    from gpunet.teams.paths import BetweenDevices
    from gpunet.teams.total import TreeTotal

    vectors = np.random.default_rng(0).standard_normal((lanes, length)).astype("float32")
    identifier = library.get_unique_id()

    def run(team):
        communicator = NCCL(f"cuda:{team.rank}")
        communicator.connect(identifier, team.rank, team.size)
        total = TreeTotal(team.engine, lanes, length, BetweenDevices(communicator))
        section = total(lambda node: fake_cupy.to_device(vectors[node.start]) if len(node) == 1 else None)
        return np.array(total.whole(section))

    found = good(thread_team.on_ranks(ranks, run, lanes))
    assert len({one.tobytes() for one in found}) == 1
    np.testing.assert_allclose(found[0], vectors.sum(axis=0), rtol=1e-5)


def test_engines_have_no_connection_at_first():
    assert Engine.connected is None
