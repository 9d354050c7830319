"""The checks of a workspace's places, its locks and its daemon."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.checks import workspace as checks
from llm_loop.checks.check import State
from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system import instance_lock
from tests.views.lock_holder import hold_lock

Maker = Callable[..., Path]


def load(root: Path) -> Config:
    config, _ = checks.check_config(root / "config" / "daemon_config.json", root, {})
    assert config is not None
    return config


def test_a_good_workspace(workspace: Maker) -> None:
    root = workspace(min_free_disk_mb=1)
    (root / "repo" / "train.py").touch()
    paths, config = WorkspacePaths(root), load(root)
    found = [checks.check_disk(paths, config), checks.check_repository(config), checks.check_data(config)]
    found += [checks.check_locks(paths), checks.check_instance(paths)]
    assert [check.state for check in found] == [State.OK] * 5, found
    assert not [path for path in root.iterdir() if path.name.startswith(".lock")]


def test_a_refused_configuration_is_a_failure_and_notices_are_told(workspace: Maker) -> None:
    root = workspace()
    path = root / "config" / "daemon_config.json"
    config, said = checks.check_config(path, root, {"LLM_LOOP_NO_KEY": "1"})
    assert config is not None and [check.state for check in said] == [State.OK, State.NOTICE]
    path.write_text(json.dumps({"min_free_disk_mb": "many"}), encoding="utf-8")
    config, said = checks.check_config(path, root, {})
    assert config is None and said[0].state is State.FAILED and "min_free_disk_mb" in said[0].what and said[0].mend


@pytest.mark.parametrize(("share", "state"), [(2.0, State.FAILED), (0.5, State.NOTICE), (0.01, State.OK)])
def test_the_disk_is_compared_with_what_is_wanted(share: float, state: State, workspace: Maker) -> None:
    root = workspace()
    free_mb = checks.files.free_bytes(root) // 1_000_000
    config = dataclasses.replace(load(root), min_free_disk_mb=int(free_mb * share))
    found = checks.check_disk(WorkspacePaths(root), config)
    assert found.state is state and (found.mend is None) == (state is State.OK)


def test_missing_places_are_named(workspace: Maker, tmp_path: Path) -> None:
    config = load(workspace())
    assert checks.check_repository(config).state is State.PROBLEM  # empty
    gone = dataclasses.replace(config, training_repo_root=tmp_path / "gone", data_source_root=tmp_path / "no data")
    assert checks.check_repository(gone).state is State.FAILED and "gone" in checks.check_repository(gone).what
    assert checks.check_data(gone).state is State.PROBLEM and checks.check_data(gone).mend


def test_a_file_system_without_locks_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> bool:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(instance_lock.platform, "try_lock", refuse)
    found = checks.check_locks(WorkspacePaths(tmp_path))
    assert found.state is State.FAILED and "not supported" in found.what and "local disk" in (found.mend or "")
    monkeypatch.setattr(instance_lock.platform, "try_lock", lambda descriptor: True)
    found = checks.check_locks(WorkspacePaths(tmp_path))
    assert found.state is State.FAILED and "no effect" in found.what


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert checks.check_locks(WorkspacePaths(tmp_path)).state is State.FAILED


def test_the_daemon_is_told_from_a_dead_one(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    beat: dict[str, Any] = {"daemon_status": "running", "pid": 4711}
    paths.logs.mkdir(parents=True)
    paths.heartbeat.write_text(json.dumps(beat), encoding="utf-8")
    assert checks.check_instance(paths).state is State.NOTICE
    with hold_lock(paths.instance_lock):
        found = checks.check_instance(paths)
        assert found.state is State.OK and "4711" in found.what
        assert checks.check_locks(paths).state is State.OK
    paths.heartbeat.write_text("[", encoding="utf-8")
    assert checks.check_instance(paths).state is State.OK
