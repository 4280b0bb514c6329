"""The CPU cores and the memory that this process may use: the host's, within the container's limits."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MEBIBYTE: Final = 2**20
_ROOT: Final = Path("/")


@dataclass(frozen=True)
class Memory:
    """Memory in MiB."""

    total: int
    free: int
    """Available without swapping."""


def cores(root: Path = _ROOT) -> int:
    """CPU cores that this process may use, at least 1; a limit of 1.5 cores counts as 1."""
    limits = [limit for folder in _control_groups(root) if (limit := _core_limit(folder)) is not None]
    return max(1, int(min([float(len(os.sched_getaffinity(0))), *limits])))


def memory(root: Path = _ROOT) -> Memory:
    """The host's memory, or the lowest limit of this process's cgroups."""
    host = _numbers(root / "proc/meminfo")
    total, free = host["MemTotal:"] * 1024, host.get("MemAvailable:", host["MemFree:"]) * 1024
    for folder in _control_groups(root):
        found = _memory_limit(folder)
        if found is not None:
            limit, used = found
            total, free = min(total, limit), min(free, max(0, limit - used))
    return Memory(total // _MEBIBYTE, free // _MEBIBYTE)


def _control_groups(root: Path) -> Iterator[Path]:
    """The folders of this process's cgroups and of their parents, of version 2 and 1.

    A container sees its own cgroup as the root; a process outside of containers has a path in /proc/self/cgroup.
    """
    top = root / "sys/fs/cgroup"
    yield from (top, top / "memory", top / "cpu", top / "cpu,cpuacct")
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        inner = Path(path.lstrip("/"))
        for part in (inner, *inner.parents):
            if part != Path():
                yield top / controllers / part


def _core_limit(folder: Path) -> float | None:
    second = _lines(folder / "cpu.max")
    if second:
        quota, period = second[0].split()
        return None if quota == "max" else float(quota) / float(period)
    first, period_of_first = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return first / period_of_first if first and period_of_first and first > 0 else None


def _memory_limit(folder: Path) -> tuple[int, int] | None:
    """The memory limit of a cgroup and its memory that cannot be reclaimed, in bytes; None if it has no limit."""
    for limit_name, used_name, cache_name in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _number(folder / limit_name)
        if limit is not None:
            used = _number(folder / used_name) or 0
            return limit, max(0, used - _numbers(folder / "memory.stat").get(cache_name, 0))
    return None


def _number(path: Path) -> int | None:
    """The number in a kernel file; None if there is no file, or it says `max`."""
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0] != "max" else None


def _numbers(path: Path) -> dict[str, int]:
    """The first number after each name, as in /proc/meminfo and memory.stat."""
    return {name: int(rest.split()[0]) for line in _lines(path) for name, rest in [line.split(maxsplit=1)]}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def host_identity(root: Path = _ROOT) -> str:
    """An id of this host: the kernel's boot id, which all containers see."""
    lines = _lines(root / "proc/sys/kernel/random/boot_id")
    return lines[0] if lines else os.uname().nodename
