"""The memory that a process may use, in made-up control groups."""

import math
import os
import sys

import pytest

import gpunet as gn
from gpunet.devices import host_memory as module
from gpunet.devices.host_memory import host_memory

MACHINE = 2.0**36
NO_LIMIT_1 = 9223372036854771712  # what version 1 writes


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """``groups(own, files)``: a process in these groups, and the files that are there, with what they hold."""
    monkeypatch.setattr(module, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(module, "OWN", tmp_path / "own")
    monkeypatch.setattr(module, "_physical_memory", lambda: MACHINE)

    def make(own, files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    return make


HYBRID = "4:memory:/docker/12ab\n3:cpuset:/docker/12ab\n1:name=systemd:/docker/12ab\n0::/docker/12ab\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        # Version 2, as a container sees its own group: the topmost one.
        ("0::/\n", {"memory.max": 2**30, "memory.high": "max"}, 2**30),
        ("0::/\n", {"memory.max": "max", "memory.high": 2**29}, 2**29),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/\n", {"memory.max": 2**40}, MACHINE),
        ("0::/\n", {"memory.max": "0"}, 0),
        # A service, or a job of Slurm: a group below others, each of which has its limit.
        ("0::/a/b.slice\n", {"a/b.slice/memory.max": 2**30, "a/memory.max": 2**31}, 2**30),
        ("0::/a/b.slice\n", {"a/b.slice/memory.max": "max", "a/memory.max": 2**31}, 2**31),
        (
            "0::/a/b.slice\n",
            {"a/b.slice/memory.max": 2**32, "a/memory.max": 2**31, "memory.max": 2**33},
            2**31,
        ),
        ("0::/a/b.slice\n", {"a/c.slice/memory.max": 2**30}, MACHINE),
        # A container that is shown the names that groups have outside of it.
        ("0::/docker/12ab\n", {"memory.max": 2**30}, 2**30),
        ("0::/../other\n", {"memory.max": 2**30}, 2**30),
        # Version 1, by itself and with an empty version 2 beside it.
        (HYBRID, {"memory/memory.limit_in_bytes": 2**30}, 2**30),
        (
            HYBRID,
            {"memory/docker/12ab/memory.limit_in_bytes": 2**29, "memory/memory.limit_in_bytes": NO_LIMIT_1},
            2**29,
        ),
        (HYBRID, {"memory/memory.limit_in_bytes": NO_LIMIT_1}, MACHINE),
        (
            HYBRID,
            {"cpuset/memory.limit_in_bytes": 5, "memory.limit_in_bytes": 5, "memory/memory.max": 5},
            MACHINE,
        ),
        ("4:cpu,memory:/\n", {"memory/memory.limit_in_bytes": 2**30}, 2**30),
        ("4:memory_other:/\n", {"memory/memory.limit_in_bytes": 2**30}, MACHINE),
        # Names may hold colons.
        ("0::/a:b\n", {"a:b/memory.max": 2**30}, 2**30),
        ("0::/\n", {"memory.max": "not a number"}, MACHINE),
        ("0::/\n", {"memory.max/a": 1}, MACHINE),
        ("", {"memory.max": 2**30}, MACHINE),
    ],
)
def test_the_lowest_limit_counts(own, files, expected, groups):
    groups(own, files)
    assert host_memory() == expected


def test_without_control_groups(groups):
    """As on macOS: there is not even a file that tells the groups."""
    assert host_memory() == MACHINE


def test_this_machine():
    assert 2**20 < host_memory() <= module._physical_memory()
    assert sys.platform != "linux" or module._physical_memory() < math.inf


@pytest.mark.parametrize("pages", [0, -1, None])
def test_a_system_that_does_not_say(pages, monkeypatch):
    if pages is None:
        monkeypatch.delattr("os.sysconf")
    else:
        monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, pages))
    monkeypatch.setattr(module, "_limits", lambda: iter(()))
    assert host_memory() == math.inf


def test_a_small_machine(monkeypatch):
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 1}.get)
    monkeypatch.setattr(module, "_limits", lambda: iter(()))
    assert host_memory() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are text")
def test_a_name_that_is_no_text(groups):
    groups("", {os.fsdecode(b"\xff/memory.max"): 2**30})
    module.OWN.write_bytes(b"0::/\xff\n")
    assert host_memory() == 2**30


def test_weights_that_the_machine_has_room_for_and_the_container_does_not(groups):
    groups("0::/\n", {"memory.max": 8 * 300})
    net = gn.Network([gn.Dense(100, "relu"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
    with pytest.raises(gn.OutOfMemory, match=r"layer 1 has 100 × 4 weights.*this process may use 0 GiB"):
        net.fit([[1.0, 2, 3, 4]], [0], epochs=1)
    net = gn.Network([gn.Dense(60, "relu"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
    net.fit([[1.0, 2, 3, 4]], [0], epochs=1)
