"""How many threads this process is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgcrypt import threads


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (threads.VARIABLE, *threads.OTHERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "MOUNT", tmp_path / "cgroup")
    monkeypatch.setattr(threads, "GROUPS", tmp_path / "groups")
    threads._quota.cache_clear()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_limits_all_cores() -> None:
    assert threads.count() == 8


@pytest.mark.parametrize(
    ("text", "expected"), [("3", 3), ("20", 20), ("", 8), ("0", 8), ("-1", 8), ("many", 8), ("²", 8)]
)
def test_the_variable_has_the_last_word(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    monkeypatch.setenv(threads.VARIABLE, text)
    assert threads.count() == expected


@pytest.mark.parametrize("name", threads.OTHERS)
@pytest.mark.parametrize(("text", "expected"), [("2", 2), ("4,3,2", 4), ("99", 8), ("x", 8)])
def test_others_variables_only_lower_it(monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: int) -> None:
    monkeypatch.setenv(name, text)
    assert threads.count() == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2), ("900000 100000", 8), ("", 8)],
)
def test_a_quota_of_version_2(tmp_path: Path, quota: str, expected: int) -> None:
    write(tmp_path / "groups", "0::/kubepods/pod1\n")
    write(tmp_path / "cgroup/kubepods/pod1/cpu.max", quota + "\n")
    assert threads.count() == expected


def test_the_quota_of_a_group_above_counts(tmp_path: Path) -> None:
    write(tmp_path / "groups", "0::/slice/scope\n")
    write(tmp_path / "cgroup/slice/scope/cpu.max", "max 100000\n")
    write(tmp_path / "cgroup/slice/cpu.max", "300000 100000\n")
    assert threads.count() == 3


def test_a_container_sees_its_group_at_the_top(tmp_path: Path) -> None:
    write(tmp_path / "groups", "0::/../../host/path\n")
    write(tmp_path / "cgroup/cpu.max", "200000 100000\n")
    assert threads.count() == 2


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("50000", 1), ("250000", 3)])
def test_a_quota_of_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    write(tmp_path / "groups", "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n")
    write(tmp_path / "cgroup/cpu,cpuacct/cpu.cfs_quota_us", f"{quota}\n")
    write(tmp_path / "cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert threads.count() == expected


def test_affinity_lowers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert threads.count() == 1
