"""The daemon's side of held commands: start, poll, adopt, recover, sweep."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from llm_loop.errors import CommandError
from llm_loop.system import files, processes
from llm_loop.system.processes import EndCause, Keepers
from tests.conftest import REPOSITORY, eventually
from tests.system.held import MARK, NOTHING, REAL_SLEEP, SLEEP, UNTIL_STOPPED, held, is_alive, kill, python


def test_a_living_keeper_is_adopted(tmp_path: Path) -> None:
    with held(tmp_path, *SLEEP, grace_s=0.1) as one:
        one.start().running()
        assert processes.recover(tmp_path) is None
        assert not (tmp_path / "void.json").exists()
        adopter = Keepers()
        assert [adopter.poll(tmp_path, now / 10) for now in range(30)] == [None] * 30
        one.stop()
        assert eventually(lambda: adopter.poll(tmp_path, 3.0)).cause is EndCause.STOPPED


def test_a_killed_keeper_that_was_adopted_is_noticed_by_a_fast_ticker(tmp_path: Path) -> None:
    with held(tmp_path, *SLEEP, grace_s=0.1) as one:
        started = one.start().running()
        adopter = Keepers()
        assert adopter.poll(tmp_path, 0.0) is None
        kill(started["keeper_pid"])
        eventually(lambda: not processes.platform.is_locked(tmp_path / "keeper.lock"))
        endings = [adopter.poll(tmp_path, tick * 0.1) for tick in range(1, 13)]
        assert endings[-1] is not None and endings[-1].cause is EndCause.LOST


def test_an_adopted_keeper_is_asked_by_its_lock_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(tmp_path, *SLEEP, grace_s=0.1) as one:
        one.start().running()
        asked: list[Path] = []
        real = processes.platform.is_locked
        monkeypatch.setattr(processes.platform, "is_locked", lambda path: asked.append(path) or real(path))
        adopter = Keepers()
        for tick in range(30):
            adopter.poll(tmp_path, tick * 0.1)
        assert 3 <= len(asked) <= 4
        monkeypatch.undo()


def test_a_keeper_outlives_who_started_it(weird_path: Path) -> None:
    with held(weird_path, *python(UNTIL_STOPPED + "sys.exit(4)")) as one:
        text = (
            "import os, sys; from pathlib import Path; from llm_loop.system.processes import Keepers;"
            "Keepers().start(Path(sys.argv[1]), os.environ); os._exit(0)"
        )
        env = {**os.environ, "LLM_LOOP_RUN": one.tag, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, "-c", text, str(weird_path)], env=env, timeout=30, check=True)
        started = one.running()
        assert is_alive(started["keeper_pid"]) and one.keepers.poll(weird_path, 0.0) is None
        eventually((weird_path / "ready").exists)
        one.stop()
        ending = one.ended()
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, 4)


def test_what_was_prepared_but_never_started_is_void_for_ever(tmp_path: Path) -> None:
    with held(tmp_path, *python(MARK)) as one:
        ending = processes.recover(tmp_path)
        assert ending is not None and ending.cause is EndCause.VOID
        one.start()
        assert one.ended().cause is EndCause.VOID
        eventually(lambda: one.keepers.reap() or not one.keepers._own)
        assert not (tmp_path / "mark").exists()
    missing = processes.recover(tmp_path / "gone")
    assert missing is not None and missing.cause is EndCause.VOID
    assert not (tmp_path / "gone").exists()


def test_an_ending_is_found_without_blocking_and_its_keeper_collected(tmp_path: Path) -> None:
    with held(tmp_path, *NOTHING) as one:
        one.start()
        eventually((tmp_path / "exit.json").exists)
        eventually(lambda: one.keepers.poll(tmp_path, 0.0))
        assert one.keepers.poll(tmp_path, 0.0) is not None, "asking again is fine"
        eventually(lambda: one.keepers.reap() or not one.keepers._own)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", '{"cause": "danced"}', '{"exit_code": 1}', "\x00" * 4096, "[" * 100_000, '{"cause": []}'],
)
def test_a_spoilt_ending_is_an_ending(tmp_path: Path, text: str) -> None:
    (tmp_path / "exit.json").write_text(text, encoding="utf-8")
    ending = Keepers().poll(tmp_path, 0.0)
    assert ending is not None and ending.cause is EndCause.KEEPER_ERROR and "exit.json" in (ending.detail or "")


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"identity": "x"}', '{"pid": "x", "started_utc": 3}'])
def test_a_spoilt_start_is_no_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "started.json").write_text(text, encoding="utf-8")
    assert processes.read_started(tmp_path) is None


@pytest.mark.skipif(os.name == "nt", reason="there the job object ends them, see test_windows.py")
def test_sweep_ends_what_carries_the_tag_and_nothing_else(tmp_path: Path) -> None:
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    family = [
        subprocess.Popen(["/bin/sh", "-c", text], env={**os.environ, "LLM_LOOP_RUN": tag}, start_new_session=True)
        for tag, text in (
            (mine, "setsid sleep 600 & exec sleep 600"),
            (other, "exec sleep 600"),
            (mine + "x", "exec sleep 600"),
        )
    ]
    try:
        eventually(lambda: processes.platform._children(family[0].pid))
        detached = processes.platform._children(family[0].pid)[0]
        assert processes.sweep(mine) == 2
        assert family[0].wait(10) == -9
        assert not is_alive(detached)
        assert is_alive(family[1].pid) and is_alive(family[2].pid)
        assert processes.sweep(mine) == 0
    finally:
        for process in family:
            process.kill()
            process.wait(10)


def test_identity_belongs_to_one_life(tmp_path: Path) -> None:
    first, second = (subprocess.Popen(REAL_SLEEP) for _ in range(2))
    try:
        identity = processes.platform.process_identity(first.pid)
        assert identity is not None and identity == processes.platform.process_identity(first.pid)
        assert identity != processes.platform.process_identity(second.pid)
    finally:
        for process in (first, second):
            process.kill()
    eventually(lambda: not is_alive(first.pid))
    assert processes.platform.process_identity(first.pid) is None, "a zombie lives no more"
    for process in (first, second):
        process.wait(10)
    assert processes.platform.process_identity(first.pid) is None


def test_a_reused_pid_is_never_taken_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pid of a lost run belongs to another program by now: it is neither waited for nor ended."""
    stranger = subprocess.Popen(REAL_SLEEP)
    try:
        with held(tmp_path, *SLEEP) as one:
            pid, _, rest = (processes.platform.process_identity(stranger.pid) or "").partition(":")
            started = {"pid": stranger.pid, "keeper_pid": stranger.pid, "started_utc": "2026-01-01T00:00:00Z"}
            files.replace_json(tmp_path / "started.json", {**started, "identity": f"{pid}:1{rest}"})
            monkeypatch.setattr(processes, "_GONE_PATIENCE_S", 10.0)
            began = time.monotonic()
            ending = processes.recover(tmp_path)
            assert time.monotonic() - began < 5, "a stranger is not waited for"
            assert ending is not None and ending.cause is EndCause.LOST
            assert is_alive(stranger.pid)
            (tmp_path / "started.json").unlink()
            assert one.keepers.poll(tmp_path, 0.0) is not None
    finally:
        stranger.kill()
        stranger.wait(10)


def make_program(path: Path) -> Path:
    """Make a file that counts as a program here."""
    path = path.with_suffix(".exe") if os.name == "nt" else path
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_programs_are_found_on_the_runs_path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_program(tmp_path / "some where" / "my tool")
    search_path = os.pathsep.join([str(tmp_path / "nowhere"), "", str(program.parent)])
    assert processes.resolve_program("my tool", search_path) == str(program)
    assert processes.resolve_program(program.name, search_path) == str(program)
    monkeypatch.chdir(program.parent)
    with pytest.raises(CommandError, match="'my tool' not found on the run's PATH"):
        processes.resolve_program("my tool", str(tmp_path))
    assert processes.resolve_program("my tool", ".") == str(program), "a relative entry is one all the same"


def test_a_relative_program_is_sought_in_the_commands_folder(tmp_path: Path) -> None:
    program = make_program(tmp_path / "tools" / "go")
    nowhere = str(tmp_path / "nowhere")
    for name in ("tools/go", "./tools/go", f"tools/{program.name}", str(Path("tools") / "go")):
        assert processes.resolve_program(name, nowhere, tmp_path) == str(program)
    assert processes.resolve_program(str(program.with_suffix("")), nowhere, tmp_path / "other") == str(program)
    with pytest.raises(CommandError, match="go"):
        processes.resolve_program("./go", nowhere, tmp_path)


@pytest.mark.parametrize("name", ["tool.cmd", "TOOL.BAT"])
def test_batch_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / name).chmod(0o755)
    with pytest.raises(CommandError, match="batch file"):
        processes.resolve_program(name, str(tmp_path))


def test_spec_holds_everything_but_the_environment(tmp_path: Path) -> None:
    with held(tmp_path, *NOTHING, stdin=tmp_path / "in", deadline_s=3.5) as one:
        assert files.read_json(tmp_path / "spec.json") == {
            "schema_version": 1,
            "argv": list(NOTHING),
            "cwd": str(tmp_path),
            "stdin": str(tmp_path / "in"),
            "stdout": str(tmp_path / "out.log"),
            "stderr": str(tmp_path / "err.log"),
            "stop_file": str(tmp_path / "STOP"),
            "grace_s": 5.0,
            "deadline_s": 3.5,
            "tag": one.tag,
            "log_max_bytes": None,
        }
