"""The native program is found wherever a package manager put it, and nothing else is taken for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_loop.agents import codex_binary
from llm_loop.agents.codex_binary import find_codex
from llm_loop.errors import CommandError

NATIVE = b"MZ..." if os.name == "nt" else b"\x7fELF..."
NAME = "codex.exe" if os.name == "nt" else "codex"
SYSTEM, TRIPLE = codex_binary._target()


def put(path: Path, content: bytes = NATIVE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path.resolve()


def search(*folders: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join(map(str, folders))}


def native_in(node_modules: Path) -> Path:
    return put(node_modules / "@openai" / f"codex-{SYSTEM}" / "vendor" / TRIPLE / "bin" / NAME)


@pytest.fixture(autouse=True)
def no_package_from_pypi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codex_binary, "_PYPI_MODULE", "no_such_module_here")


def test_a_native_program_on_path_is_taken(tmp_path: Path) -> None:
    wanted = put(tmp_path / "bin" / NAME)
    found = find_codex(search(tmp_path / "empty", tmp_path / "bin"))
    assert (found.path, found.origin) == (wanted, "path")


@pytest.mark.skipif(os.name == "nt", reason="npm links its scripts on POSIX only")
@pytest.mark.parametrize("where", ["lib/node_modules", "node_modules"])
def test_behind_a_linked_shim_the_program_is_found(tmp_path: Path, where: str) -> None:
    modules = tmp_path / where
    script = put(modules / "@openai" / "codex" / "bin" / "codex.js", b"#!/usr/bin/env node\n")
    folder = tmp_path / "bin" if where.startswith("lib") else modules / ".bin"
    folder.mkdir(parents=True)
    (folder / "codex").symlink_to(script)
    wanted = native_in(modules)
    found = find_codex(search(folder))
    assert (found.path, found.origin) == (wanted, "npm")


@pytest.mark.skipif(os.name == "nt", reason="npm links its scripts on POSIX only")
def test_a_nested_package_is_found_as_node_finds_it(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "node_modules" / "@openai" / "codex"
    script = put(package / "bin" / "codex.js", b"#!/usr/bin/env node\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "codex").symlink_to(script)
    wanted = native_in(package / "node_modules")
    assert find_codex(search(tmp_path / "bin")).path == wanted


@pytest.mark.skipif(os.name != "nt", reason="batch files")
def test_behind_a_batch_file_the_program_is_found(tmp_path: Path) -> None:
    put(tmp_path / "npm" / "codex.cmd", b"@node\r\n")
    put(tmp_path / "npm" / "node_modules" / "@openai" / "codex" / "bin" / "codex.js", b"//")
    wanted = native_in(tmp_path / "npm" / "node_modules")
    assert find_codex(search(tmp_path / "npm")).path == wanted


def test_the_package_of_pypi_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "site" / "carried_codex" / "__init__.py", b"raise SystemError('imported')\n")
    carried = put(tmp_path / "site" / "carried_codex" / "bin" / NAME)
    monkeypatch.setattr(codex_binary, "_PYPI_MODULE", "carried_codex")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = find_codex(search(tmp_path))
    assert (found.path, found.origin) == (carried, "pypi") and "carried_codex" not in sys.modules
    own = put(tmp_path / "bin" / NAME)
    assert find_codex(search(tmp_path / "bin")).path == own


def test_a_script_alone_is_no_client(tmp_path: Path) -> None:
    put(tmp_path / "bin" / NAME, b"#!/bin/sh\nexec node\n")
    with pytest.raises(CommandError, match="npm install"):
        find_codex(search(tmp_path / "bin"))


def test_what_an_agent_can_write_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path / "repository" / "bin" / NAME)
    with pytest.raises(CommandError):
        find_codex(search(tmp_path / "repository" / "bin"), exclude=[tmp_path / "repository"])


def test_a_relative_entry_of_path_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / NAME)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError):
        find_codex({"PATH": os.pathsep.join(["", ".", "bin"])})
