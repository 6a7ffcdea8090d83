"""Threads follow the affinity mask, a container's CPU quota and the kinds of cores: made-up files of the system."""

import ctypes
import math
import os
import sys

import pytest

from gpunet_numpy import processors as module
from gpunet_numpy.processors import performance_cores, processors, quota

V2 = "0::/{}\n"
V1 = "12:memory:/{0}\n4:cpu,cpuacct:/{0}\n2:cpuset:/{0}\n0::/{0}\n"


@pytest.fixture
def groups(tmp_path):
    """``groups(text, {file: text})``: the quota that these files tell."""

    def made(cgroup, files):
        (tmp_path / "cgroup").write_text(cgroup)
        for name, text in files.items():
            path = tmp_path / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return quota(tmp_path / "cgroup", tmp_path / "sys")

    return made


def v1(folder, allowed, period="100000\n"):
    place = f"cpu,cpuacct/{folder}".rstrip("/")
    return {f"{place}/cpu.cfs_quota_us": allowed, f"{place}/cpu.cfs_period_us": period}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", math.inf),
        ("150000 100000\n", 1.5),
        ("50000 100000\n", 0.5),
        ("800000 200000\n", 4),
        ("400000 0\n", math.inf),
        ("", math.inf),
        ("nonsense\n", math.inf),
        ("1 2 3\n", math.inf),
    ],
)
def test_version_2(groups, text, expected):
    assert groups(V2.format("kubepods/pod1"), {"kubepods/pod1/cpu.max": text}) == expected


@pytest.mark.parametrize(
    ("allowed", "period", "expected"),
    [
        ("-1\n", "100000\n", math.inf),
        ("250000\n", "100000\n", 2.5),
        ("300000\n", "50000\n", 6),
        ("3\n", "", math.inf),
    ],
)
def test_version_1(groups, allowed, period, expected):
    assert groups(V1.format("docker/abc"), v1("docker/abc", allowed, period)) == expected


def test_the_root_is_that_of_the_container(groups):
    """In a container the path may be the host's, which is not to be seen there: what is mounted is the container's."""
    assert groups(V1.format("docker/abc"), v1("", "350000\n")) == 3.5
    assert groups(V2.format(""), {"cpu.max": "200000 100000"}) == 2


def test_the_smallest_of_all_groups_counts(groups):
    files = {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000", "cpu.max": "400000 100000"}
    assert groups(V2.format("a/b"), files) == 3
    assert groups(V2.format("a/b"), {"a/b/cpu.max": "200000 100000"}) == 2
    assert groups(V2.format("other"), {}) == 4


def test_other_controllers_do_not_count(groups):
    files = {"memory/x/cpu.max": "100000 100000", "cpuset/x/cpu.max": "100000 100000"}
    assert groups("3:memory:/x\n5:cpuset:/x\n", files) == math.inf


def test_where_there_are_no_control_groups(tmp_path):
    assert quota(tmp_path / "none", tmp_path) == math.inf


@pytest.mark.parametrize(
    ("affinity", "allowed", "expected"),
    [(8, math.inf, 8), (8, 2.9, 2), (2, 5.0, 2), (4, 0.3, 1), (1, 1.0, 1)],
)
def test_the_smaller_of_affinity_and_quota(affinity, allowed, expected, monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: affinity, raising=False)
    monkeypatch.setattr(module, "quota", lambda groups, mount: allowed)
    assert processors.__wrapped__() == expected


def test_the_affinity_of_older_pythons(monkeypatch):
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(module, "quota", lambda groups, mount: math.inf)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 6}, raising=False)
    assert processors.__wrapped__() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert processors.__wrapped__() == expected


@pytest.fixture
def hybrid(tmp_path, monkeypatch):
    """``hybrid(listed, siblings, affinity)``: the performance cores that these files tell."""

    def made(listed, siblings, affinity):
        if listed is not None:
            (tmp_path / "cpus").write_text(listed)
        for cpu, text in siblings.items():
            folder = tmp_path / f"cpu{cpu}" / "topology"
            folder.mkdir(parents=True)
            (folder / "thread_siblings_list").write_text(text)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(affinity), raising=False)
        return performance_cores(tmp_path / "cpus", tmp_path)

    return made


PAIRS = {0: "0-1\n", 1: "0-1\n", 2: "2-3\n", 3: "2-3\n"}  # two cores of two threads each


@pytest.mark.parametrize(
    ("listed", "siblings", "affinity", "expected"),
    [
        ("0-3\n", PAIRS, range(8), 2),
        ("0-3\n", {}, range(8), 4),
        ("0,2-3,9\n", {}, range(12), 4),
        ("5\n", {}, range(8), 1),
        ("0-3\n", PAIRS, [0, 1, 6, 7], 1),
        ("0-3\n", PAIRS, [1, 2, 6], 2),
        ("0-3\n", PAIRS, [4, 5], math.inf),  # only efficiency cores are left
        (None, PAIRS, range(4), math.inf),
        ("\n", PAIRS, range(4), math.inf),
        ("nonsense\n", PAIRS, range(4), math.inf),
        ("0-3,\n", PAIRS, range(4), math.inf),
    ],
)
def test_performance_cores_of_linux(hybrid, listed, siblings, affinity, expected):
    assert hybrid(listed, siblings, affinity) == expected


def test_performance_cores_without_an_affinity(hybrid, tmp_path, monkeypatch):
    hybrid("0-3\n", PAIRS, [0])
    monkeypatch.delattr(os, "sched_getaffinity")
    assert performance_cores(tmp_path / "cpus", tmp_path) == 2


class Mac:
    """A C library as that of macOS, on a Mac with so many performance cores; None where that is not known."""

    def __init__(self, cores):
        self.cores = cores

    def sysctlbyname(self, name, value, size, new, length):
        assert (name, size._obj.value, new) == (b"hw.perflevel0.physicalcpu", 4, None)
        if self.cores is None:
            return -1
        value._obj.value = self.cores
        return 0


@pytest.mark.parametrize(
    ("library", "expected"), [(Mac(4), 4), (Mac(12), 10), (Mac(None), 10), (Mac(0), 10), (object(), 10)]
)
def test_performance_cores_of_a_mac(library, expected, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 10, raising=False)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    monkeypatch.setattr(module, "quota", lambda groups, mount: math.inf)
    assert processors.__wrapped__() == expected


def test_a_mac_whose_library_is_not_to_be_had(monkeypatch):
    def missing(name):
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert module._apples_cores() == math.inf


def test_fewer_threads_than_processors_where_some_are_slow(hybrid, tmp_path, monkeypatch):
    hybrid("0-3\n", PAIRS, range(8))
    monkeypatch.setattr(module, "LISTED", tmp_path / "cpus")
    monkeypatch.setattr(module, "TOPOLOGY", tmp_path)
    monkeypatch.setattr(module, "quota", lambda groups, mount: math.inf)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    assert processors.__wrapped__() == 2


def test_here():
    assert 1 <= processors() <= (os.cpu_count() or 1)
