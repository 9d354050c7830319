"""The memory of this machine and of process trees, and what a container's limits say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from llm_loop.system.memory import host_memory, tree_bytes
from tests.conftest import eventually

MIB = 1024**2
linux_only = pytest.mark.skipif(os.name == "nt", reason="the files of a Linux kernel")
# Holds 80 MiB itself and 60 MiB in a child, until its standard input ends.
FAMILY = """
import subprocess, sys
held = bytearray(b"x" * (80 * 1024 * 1024))
child = "import sys; held = bytearray(b'x' * (60 * 1024 * 1024)); print('there', flush=True); sys.stdin.read()"
process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
process.stdout.readline()
print("there", flush=True)
sys.stdin.read()
process.communicate()
"""


def test_the_memory_of_this_machine_is_told() -> None:
    found = host_memory()
    assert found is not None
    other = psutil.virtual_memory()
    assert 0 < found.available_bytes <= found.total_bytes <= other.total
    assert found.available_bytes <= other.available + 2048 * MIB, "as another reader of it says, a moment later"


def test_a_tree_is_counted_with_its_children_and_a_dead_one_is_gone() -> None:
    argv = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        held = tree_bytes(process.pid)
        process.communicate()
    assert held is not None and 140 * MIB < held < 400 * MIB
    eventually(lambda: tree_bytes(process.pid) in (None, 0))


@linux_only
@pytest.mark.parametrize(
    ("membership", "folder", "names"),
    [
        ("0::/ours\n", "ours", ("memory.max", "memory.current", "inactive_file")),
        ("0::/../../ours/inner\n", "ours", ("memory.max", "memory.current", "inactive_file")),
        ("0::/ours\n", "unified/ours", ("memory.max", "memory.current", "inactive_file")),
        (
            "4:cpu,memory:/ours\n0::/\n",
            "memory",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
)
def test_a_container_is_a_machine_of_its_own(
    tmp_path: Path, membership: str, folder: str, names: tuple[str, str, str]
) -> None:
    from llm_loop.system.platform_posix_memory import total_and_available

    proc, groups = kernel_files(tmp_path, membership)
    assert total_and_available(proc, groups) == (16_000 * MIB, 12_000 * MIB)
    limit(groups / folder, names, 4_000 * MIB, 3_500 * MIB, 1_000 * MIB)
    assert total_and_available(proc, groups) == (4_000 * MIB, 1_500 * MIB), "file pages can be dropped"


@linux_only
def test_the_tightest_group_counts_and_no_limit_is_none(tmp_path: Path) -> None:
    from llm_loop.system.platform_posix_memory import total_and_available

    proc, groups = kernel_files(tmp_path, "0::/a/b\n")
    names = ("memory.max", "memory.current", "inactive_file")
    limit(groups / "a" / "b", names, 8_000 * MIB, 1_000 * MIB, 0)
    limit(groups / "a", names, 9_000 * MIB, 8_900 * MIB, 0)
    assert total_and_available(proc, groups) == (8_000 * MIB, 100 * MIB)
    for place in (groups / "a" / "b", groups / "a"):
        (place / "memory.max").write_text("max\n", encoding="utf-8")
    assert total_and_available(proc, groups) == (16_000 * MIB, 12_000 * MIB)
    (groups / "a" / "memory.max").write_text(f"{2**63 - 4096}\n", encoding="utf-8")
    assert total_and_available(proc, groups) == (16_000 * MIB, 12_000 * MIB), "more than there is, is no limit"


@linux_only
def test_a_kernel_that_does_not_say_is_none(tmp_path: Path) -> None:
    from llm_loop.system.platform_posix_memory import total_and_available

    assert total_and_available(tmp_path / "nothing", tmp_path) is None
    (tmp_path / "meminfo").write_text("MemTotal: many kB\nnonsense\n", encoding="utf-8")
    assert total_and_available(tmp_path, tmp_path) is None


def kernel_files(root: Path, membership: str) -> tuple[Path, Path]:
    proc, groups = root / "proc", root / "groups"
    (proc / "self").mkdir(parents=True)
    groups.mkdir()
    text = f"MemTotal: {16_000 * 1024} kB\nMemFree: 5 kB\nMemAvailable: {12_000 * 1024} kB\nHugePages_Total: 0\n"
    (proc / "meminfo").write_text(text, encoding="utf-8")
    (proc / "self" / "cgroup").write_text(membership, encoding="utf-8")
    return proc, groups


def limit(folder: Path, names: tuple[str, str, str], most: int, used: int, cache: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{most}\n", encoding="utf-8")
    (folder / names[1]).write_text(f"{used}\n", encoding="utf-8")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n", encoding="utf-8")
