"""Cores and memory within the limits of control groups, as the kernel writes them."""

import os
from pathlib import Path

import pytest

from cp_whisperx.processor import Memory, cores, host_identity, memory

MEBIBYTE = 2**20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with 16 GiB, of which half are free."""
    write(
        tmp_path / "proc/meminfo",
        "MemTotal: 16777216 kB\nMemFree: 1000 kB\nMemAvailable: 8388608 kB\nHugePages_Total: 0",
    )
    return tmp_path


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")


def test_without_a_limit_it_is_the_host(root: Path) -> None:
    assert memory(root) == Memory(16384, 8192)
    assert cores(root) == len(os.sched_getaffinity(0))


def test_a_container_of_control_groups_2_counts_what_it_could_give_up_as_free(root: Path) -> None:
    group = root / "sys/fs/cgroup"
    write(group / "memory.max", 4096 * MEBIBYTE)
    write(group / "memory.current", 3096 * MEBIBYTE)
    write(group / "memory.stat", f"anon 5\ninactive_file {1000 * MEBIBYTE}")
    write(group / "cpu.max", "100000 100000")
    write(root / "proc/self/cgroup", "0::/")
    assert memory(root) == Memory(4096, 2000)
    assert cores(root) == 1


def test_no_limit_is_written_as_max(root: Path) -> None:
    write(root / "sys/fs/cgroup/memory.max", "max")
    write(root / "sys/fs/cgroup/cpu.max", "max 100000")
    assert memory(root) == Memory(16384, 8192)
    assert cores(root) == len(os.sched_getaffinity(0))


def test_a_container_of_control_groups_1(root: Path) -> None:
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", 2048 * MEBIBYTE)
    write(root / "sys/fs/cgroup/memory/memory.usage_in_bytes", 2049 * MEBIBYTE)
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", 50_000)
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", 100_000)
    assert memory(root) == Memory(2048, 0)
    assert cores(root) == 1


def test_the_limit_of_a_parent_counts_outside_of_containers(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/user.slice/session.scope")
    write(root / "sys/fs/cgroup/user.slice/memory.max", 1024 * MEBIBYTE)
    write(root / "sys/fs/cgroup/user.slice/session.scope/memory.max", "max")
    assert memory(root).total == 1024


def test_the_limit_that_no_limit_is_in_control_groups_1_leaves_the_host(root: Path) -> None:
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", 0x7FFFFFFFFFFFF000)
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1)
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", 100_000)
    assert memory(root) == Memory(16384, 8192)
    assert cores(root) == len(os.sched_getaffinity(0))


def test_this_host_tells_something() -> None:
    assert memory().total >= memory().free > 0
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert host_identity() == host_identity() != ""


def test_a_host_without_a_start_of_its_own_has_its_name(root: Path) -> None:
    assert host_identity(root) == os.uname().nodename
    write(root / "proc/sys/kernel/random/boot_id", "5c0b5bd3-4f2f")
    assert host_identity(root) == "5c0b5bd3-4f2f"
