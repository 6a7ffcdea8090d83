"""Threads follow the affinity mask and the CPU quota of a container: made-up files of control groups."""

import math
import os

import pytest

from gpunet_numpy import processors as module
from gpunet_numpy.processors import processors, quota

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


def test_here():
    assert 1 <= processors() <= (os.cpu_count() or 1)
