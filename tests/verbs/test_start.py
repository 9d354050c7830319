"""``llm-loop start``: what it refuses before anything is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.cli import build_parser
from llm_loop.config import load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError
from llm_loop.system import files
from llm_loop.system.instance_lock import is_held
from llm_loop.verbs.start import _say_how_it_decides, check_length
from tests.conftest import eventually, make_workspace
from tests.loop_process import script
from tests.views.lock_holder import hold_lock


def llm_loop(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)


@pytest.mark.parametrize("flags", [[], pytest.param(["--detach"], marks=pytest.mark.slow)])
def test_a_second_loop_says_who_holds_the_workspace(
    flags: list[str], workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    paths = WorkspacePaths(root)
    with hold_lock(paths.instance_lock) as process:
        beat = {"daemon_status": "running", "pid": process.pid, "started_utc": "2026-01-02T03:04:05Z"}
        files.replace_json(paths.heartbeat, beat)
        done = llm_loop(root, clean_environ, "start", *flags)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"held by the daemon with pid {process.pid}" in done.stderr.splitlines()[-1]
    assert not paths.daemon_log.exists()


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--cycles", "0"], "'0' is no whole number from 1 on"),
        (["--cycles", "few"], "'few' is no whole number from 1 on"),
        (["--run-minutes", "abc"], "'abc' is no number of minutes above 0"),
        (["--run-minutes", "nan"], "'nan' is no number of minutes above 0"),
    ],
)
def test_a_limit_that_is_none_is_refused(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        build_parser().parse_args(["start", *flags])
    assert refused.value.code == 2 and words in capsys.readouterr().err.splitlines()[-1]


def test_a_condition_that_is_none_is_refused(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = llm_loop(tmp_path, clean_environ, "start", "--until", "soon")
    assert done.returncode == 2 and "'soon' is no condition" in done.stderr.splitlines()[-1]
    assert not (tmp_path / ".llm_loop").exists()


@pytest.mark.parametrize("flags", [["--quiet"], ["--detach"]])
def test_a_file_in_the_way_is_one_line(
    flags: list[str], workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    (root / ".llm_loop").mkdir()
    (root / ".llm_loop" / "logs").write_text("", encoding="utf-8")
    done = llm_loop(root, clean_environ, "start", *flags)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "logs" in done.stderr.splitlines()[-1]


def a_folder_of(length: int, root: Path) -> Path:
    """Return a path below ``root`` of so many characters."""
    folder = root
    while length - len(str(folder)) > 100:
        folder /= "d" * 60
    return folder / ("d" * (length - len(str(folder)) - 1))


def test_no_folder_is_too_long_but_for_windows(tmp_path: Path) -> None:
    folder = a_folder_of(258, tmp_path)
    check_length("the workspace", folder, longest=258)
    check_length("the workspace", folder / ".." / folder.name, longest=258)
    check_length("the workspace", folder / "x" / "y", longest=None)
    for longer in (folder.with_name(folder.name + "d"), folder.with_name(folder.name[:-1] + "\N{ROCKET}")):
        with pytest.raises(ConfigError) as caught:
            check_length("the workspace", longer, longest=258)
        words = str(caught.value)
        assert str(longer) in words and "is 259 characters long" in words and "a shorter path" in words


@pytest.mark.parametrize("key", [None, "training_repo_root"])
def test_a_folder_in_which_nothing_can_start_is_refused(
    key: str | None, tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    folder = a_folder_of(259, tmp_path)
    try:
        folder.mkdir(parents=True)
    except OSError:
        pytest.skip("this Windows has no long paths")
    root = make_workspace(folder if key is None else tmp_path / "work", **({} if key is None else {key: str(folder)}))
    done = llm_loop(root, clean_environ, "start", "--quiet", "--run-minutes", "0.0001")
    if os.name == "nt":
        assert done.returncode == 2 and f"{key or 'the workspace'}: {folder} is 259" in done.stderr.splitlines()[-1]
        assert not (root / ".llm_loop").exists()
    else:
        assert done.returncode == 0, done.stderr


def test_a_loop_in_the_background_outlives_its_starter_and_ends_on_request(
    tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    root = make_workspace(tmp_path / "Prüf stand")
    script(root, {"train": "silent"})
    paths = WorkspacePaths(root)
    try:
        done = llm_loop(root, clean_environ, "start", "--detach")
        assert done.returncode == 0 and "runs in the background" in done.stdout, done
        status = llm_loop(root, clean_environ, "status", "--json")
        assert json.loads(status.stdout)["daemon"]["condition"] == "running"
        eventually(lambda: list(paths.runs.glob("R0001/attempt-1/started.json")), 30)
        assert llm_loop(root, clean_environ, "start", "--detach").returncode == 3, "it holds the workspace"
    finally:
        stopped = llm_loop(root, clean_environ, "stop")
    assert stopped.returncode == 0 and "The loop has ended." in stopped.stdout
    assert not is_held(paths.instance_lock) and paths.daemon_log.exists()
    (ending,) = [json.loads(path.read_text(encoding="utf-8")) for path in paths.runs.glob("*/attempt-*/exit.json")]
    assert ending["cause"] == "stopped", "its run was ended politely"


@pytest.mark.parametrize(
    "settings, provider, words",
    [
        ({}, False, "No Codex login: the built-in planner decides."),
        ({"codex_enabled": False}, False, "The built-in planner decides (codex_enabled is false)."),
        ({"codex_enabled": False}, True, "The built-in planner decides (codex_enabled is false)."),
        ({"model": "big"}, True, "Codex decides (big), and the built-in planner while it is out."),
        ({"worker_command": "my-worker"}, True, "The worker is the program `my-worker`."),
    ],
)
def test_who_decides_is_said(
    settings: dict[str, Any],
    provider: bool,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CODEX_API_KEY", raising=False)
    path, paths = tmp_path / "daemon_config.json", WorkspacePaths(tmp_path)
    path.write_text(json.dumps(settings), encoding="utf-8")
    if provider:
        paths.codex_home.mkdir(parents=True)
        text = 'model_provider = "a"\n[model_providers.a]\nname = "a"\n'
        (paths.codex_home / "config.toml").write_text(text, encoding="utf-8")
    _say_how_it_decides(load_config(path, tmp_path, {}), paths)
    assert capsys.readouterr().err.startswith(words)


def test_a_preset_that_is_not_there_is_refused_with_those_that_are(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    (root / "config" / "presets").mkdir()
    (root / "config" / "presets" / "bones.json").write_text("{}", encoding="utf-8")
    ended = llm_loop(root, clean_environ, "start", "--preset", "../daemon_config")
    assert ended.returncode == 2 and "holds bones" in ended.stderr
    ended = llm_loop(root, clean_environ, "start", "--preset", "bones", "--config", "config/daemon_config.json")
    assert ended.returncode == 2 and "not allowed with" in ended.stderr
    assert not (root / ".llm_loop" / "state.json").exists()


def test_a_preset_is_a_configuration(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> None:
    root = workspace()
    (root / "config" / "presets").mkdir()
    (root / "config" / "presets" / "odd.json").write_text('{"selection_metricc": "val_dice"}', encoding="utf-8")
    ended = llm_loop(root, clean_environ, "start", "--preset", "odd")
    assert ended.returncode == 2 and "odd.json" in ended.stderr and "selection_metric" in ended.stderr
