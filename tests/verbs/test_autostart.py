"""``llm-loop autostart``: the unit and the task as text, and what systemctl and schtasks are asked (both are fakes)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llm_loop.autostart.scheduled_task import LOOK_EVERY_MINUTES, ScheduledTask, task_text
from llm_loop.autostart.systemd_unit import unit_text
from llm_loop.autostart.watched import Watched
from llm_loop.cli import main
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from tests.conftest import FAKES
from tests.views.lock_holder import hold_lock

CONFIG = Path("config/daemon_config.json")
HOSTILE = 'it\'s a [weird] 100% $HOME & "täst" \\ <x>'
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
posix_only = pytest.mark.skipif(os.name == "nt", reason="a systemd unit")


def watched(name: str = "work") -> Watched:
    return Watched(workspace=Path("/home/me") / name, config=CONFIG)


def entries(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


# ---------------------------------------------------------------- the unit


def words_of(line: str) -> list[str]:
    """Read a command line as systemd.service(5) says: double quotes, C escapes, %% and $$."""
    words, word, quoted, signs = [], None, False, iter(line)
    for sign in signs:
        if sign == '"':
            quoted, word = not quoted, word or ""
        elif sign == " " and not quoted:
            words.append(word)
            word = None
        elif sign == "\\":
            word = (word or "") + next(signs)
        elif sign in "%$":
            assert next(signs) == sign, "a specifier or a variable"
            word = (word or "") + sign
        else:
            word = (word or "") + sign
    return [*words, word]


@posix_only
@pytest.mark.parametrize("name", ["work", HOSTILE])
def test_the_unit_starts_this_workspace_with_this_python(name: str) -> None:
    text = unit_text(watched(name), "/usr/bin:/opt/100% mine")
    (command,) = entries(text, "ExecStart")
    assert words_of(command) == [
        *(sys.executable, "-P", "-X", "utf8", "-m", "llm_loop", "--workspace", f"/home/me/{name}"),
        *("start", "--quiet", "--autostarted", "--config", str(CONFIG)),
    ]
    assert entries(text, "Environment") == ['"PATH=/usr/bin:/opt/100%% mine"']


def test_the_unit_leaves_trainings_alone_and_does_not_restart_what_a_restart_cannot_mend() -> None:
    text = unit_text(watched(), "/usr/bin")
    assert entries(text, "KillMode") == ["process"]
    assert entries(text, "Restart") == ["on-failure"]
    assert entries(text, "RestartPreventExitStatus") == ["2 3 4"]
    assert entries(text, "WantedBy") == ["default.target"]
    assert float(entries(text, "StartLimitIntervalSec")[0]) == 600


@posix_only
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "loop.service"
    unit.write_text(unit_text(watched(HOSTILE), os.environ["PATH"]), encoding="utf-8")
    environ = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    argv = ["systemd-analyze", "--user", "verify", str(unit)]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)
    if "initialize manager" in done.stderr:
        pytest.skip("this systemd cannot verify here")
    assert (done.returncode, [line for line in done.stderr.splitlines() if "loop.service" in line]) == (0, [])


def test_each_workspace_has_a_name_of_its_own() -> None:
    names = {watched(name).name for name in ("a b", "a-b", "a/b", "ä", "x" * 200)}
    assert len(names) == 5
    assert all(name.replace("-", "").replace("_", "").isalnum() and name.isascii() and len(name) < 80 for name in names)


# ---------------------------------------------------------------- the verb on Linux


class Machine:
    """A Linux whose systemctl is a fake, and the verb on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.units, self._capsys = folder / "systemd", folder / "settings" / "systemd" / "user", capsys
        self.programs = folder / "programs"
        for made in (self.home, self.programs):
            made.mkdir()
        program = self.programs / "systemctl"
        fake = FAKES / "fake_systemctl.py"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("FAKE_SYSTEMD", str(self.home))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
        monkeypatch.setenv("PATH", f"{self.programs}{os.pathsep}{os.environ['PATH']}")

    def autostart(self, root: Path, *words: str) -> tuple[int, str, str]:
        code = main(["--workspace", str(root), "autostart", *words])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def asked(self) -> list[str]:
        return (self.home / "asked.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, monkeypatch, capsys)


@posix_only
def test_on_show_and_off(workspace: Callable[..., Path], machine: Machine) -> None:
    root = workspace()
    assert "is off" in machine.autostart(root, "show")[1]
    code, out, _ = machine.autostart(root, "on")
    assert code == 0 and "Autostart is on" in out and "log in" in out
    (unit,) = machine.units.iterdir()
    assert machine.asked()[:2] == ["--user\tdaemon-reload", f"--user\tenable\t{unit.name}"]
    shown = json.loads(machine.autostart(root, "show", "--json")[1])
    assert (shown["on"], shown["loop_runs"], shown["place"]) == (True, False, str(unit))
    assert shown["text"] == unit.read_text(encoding="utf-8")
    code, out, _ = machine.autostart(root, "off")
    assert code == 0 and "is off" in out
    assert f"--user\tdisable\t{unit.name}" in machine.asked() and not list(machine.units.iterdir())
    assert machine.autostart(root, "off")[0] == 0, "off twice is off"


@posix_only
def test_a_unit_that_systemd_does_not_enable_is_said(workspace: Callable[..., Path], machine: Machine) -> None:
    root = workspace()
    machine.autostart(root, "on")
    (unit,) = machine.units.iterdir()
    (machine.home / unit.name).unlink()
    out = machine.autostart(root, "show")[1]
    assert "is off" in out and "systemd says: disabled" in out


@posix_only
def test_a_loop_that_runs_is_watched_at_once(workspace: Callable[..., Path], machine: Machine) -> None:
    root = workspace()
    with hold_lock(WorkspacePaths(root).instance_lock):
        code, out, _ = machine.autostart(root, "on")
    assert code == 0 and "watched from now on" in out
    assert machine.asked()[1].startswith("--user\tenable\t--now\t")


@posix_only
@pytest.mark.parametrize("missing", ["bus", "program"])
def test_without_systemd_it_says_so_and_leaves_nothing(
    missing: str, workspace: Callable[..., Path], machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace()
    if missing == "bus":
        (machine.home / "no_bus").touch()
    else:
        monkeypatch.setenv("PATH", str(machine.home))
    code, out, err = machine.autostart(root, "on")
    assert (code, out) == (1, "")
    assert "autostart on Linux needs a systemd that serves users" in err
    assert ("No medium found" if missing == "bus" else "there is no systemd here") in err
    assert not list(machine.units.iterdir())
    assert machine.autostart(root, "show")[0] == 0


@posix_only
def test_nothing_is_set_up_for_a_configuration_that_is_not_there(tmp_path: Path, machine: Machine) -> None:
    code, _, err = machine.autostart(tmp_path / "empty", "on")
    assert code == 2 and "no such configuration" in err
    assert not machine.units.exists()


# ---------------------------------------------------------------- the task


def test_the_task_starts_this_workspace_at_log_on_and_looks_again() -> None:
    one = watched(HOSTILE)
    task = ElementTree.fromstring(task_text(one, "HOME\\me & you").encode("utf-16"))

    def text(path: str) -> str | None:
        return task.findtext("/".join(TASK + name for name in path.split("/")))

    assert text("Triggers/LogonTrigger/UserId") == text("Principals/Principal/UserId") == "HOME\\me & you"
    assert text("Triggers/LogonTrigger/Repetition/Interval") == f"PT{LOOK_EVERY_MINUTES}M"
    assert text("Triggers/LogonTrigger/Repetition/Duration") is None, "without an end"
    assert text("Settings/MultipleInstancesPolicy") == "IgnoreNew"
    assert text("Settings/ExecutionTimeLimit") == "PT0S"
    assert text("Settings/DisallowStartIfOnBatteries") == text("Settings/StopIfGoingOnBatteries") == "false"
    assert text("Principals/Principal/RunLevel") == "LeastPrivilege"
    assert text("Actions/Exec/WorkingDirectory") == str(one.workspace)
    assert text("Actions/Exec/Command") and "--autostarted" in (text("Actions/Exec/Arguments") or "")
    assert subprocess.list2cmdline([str(one.workspace)]) in (text("Actions/Exec/Arguments") or "")


def test_three_deaths_fit_into_ten_minutes_of_looks() -> None:
    assert 3 * LOOK_EVERY_MINUTES < 10, "or a crash loop would never be noticed"


def test_the_task_is_made_run_shown_and_removed(tmp_path: Path) -> None:
    environ = os.environ | {"FAKE_TASKS": str(tmp_path), "USERNAME": "me", "USERDOMAIN": "HOME"}
    one = Watched(workspace=tmp_path / "wörk space", config=CONFIG)
    task = ScheduledTask(one, environ, [sys.executable, "-X", "utf8", str(FAKES / "fake_schtasks.py")])
    assert not task.show().on
    task.turn_on(watch_now=True)
    found = task.show()
    assert found.on and found.text is not None and "wörk space" in found.text
    assert any("log on" in note for note in found.notes)
    words = [line.split("\t")[0] for line in (tmp_path / "asked.txt").read_text(encoding="utf-8").splitlines()]
    assert words == ["/Query", "/Create", "/Run", "/Query"]
    task.turn_on(watch_now=False)
    task.turn_off()
    assert not task.show().on and not list(tmp_path.glob("*.xml"))
    task.turn_off()


def test_a_task_scheduler_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    task = ScheduledTask(watched(), {"USERNAME": "me", **os.environ}, [str(tmp_path / "schtasks.exe")])
    with pytest.raises(LoopError, match="the Task Scheduler cannot be asked"):
        task.show()
