"""The engine of this machine, with real keepers and a real (fake) trainer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llm_loop.errors import CommandError
from llm_loop.runs.environment import run_environment
from llm_loop.runs.local import Launch, LocalEngine
from llm_loop.system import files, processes
from llm_loop.system.processes import EndCause, Ending, Keepers
from tests.conftest import FAKES, command_line, eventually
from tests.system.held import is_alive, kill

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these commands are POSIX")
TRAINER = FAKES / "fake_trainer.py"


class Bench:
    """Hold an engine and one attempt in a folder with a hostile name."""

    def __init__(self, root: Path) -> None:
        self.keepers = Keepers()
        self.engine = LocalEngine(self.keepers)
        self.folder = root / "runs" / "R0001" / "attempt-1"
        repo = root / "my repo"
        repo.mkdir()
        self.launch = Launch(
            folder=self.folder,
            command="true",
            shell="bash",
            cwd=repo,
            workspace=root,
            environment=run_environment(os.environ, Path(sys.executable), self.folder, f"tag-{os.getpid()}-local"),
            files={},
            stdout=root / "logs" / "a.stdout.log",
            stderr=root / "logs" / "a.stderr.log",
            grace_s=1.0,
            deadline_s=None,
        )

    def run(self, command: str, **changes: object) -> Ending:
        self.start(command, **changes)
        return self.ended()

    def start(self, command: str, **changes: object) -> None:
        self.launch = replace(self.launch, command=command, **changes)  # type: ignore[arg-type]
        self.engine.prepare(self.launch)
        assert self.engine.start(self.launch) is None

    def ended(self) -> Ending:
        return eventually(lambda: self.engine.poll(self.folder, 0.0, self.launch.environment["LLM_LOOP_RUN"]))


@pytest.fixture
def bench(weird_path: Path) -> Iterator[Bench]:
    one = Bench(weird_path)
    yield one
    if (started := processes.read_started(one.folder)) is not None and not (one.folder / "exit.json").exists():
        kill(started["keeper_pid"])
        processes.sweep(one.launch.environment["LLM_LOOP_RUN"])
    eventually(lambda: one.keepers.reap() or not one.keepers._own)


def test_a_direct_command_runs_in_its_folder_with_its_files(bench: Bench) -> None:
    text = "import os, sys; print(open(sys.argv[1]).read(), os.getcwd(), sys.argv[2])"
    command = f'"{sys.executable}" -c "{text}" {{run_dir}}/lr.yaml "{{workspace}}"'
    ending = bench.run(command, files={"lr.yaml": "lr: 0.1"})
    assert (ending.cause, ending.exit_code) == (EndCause.EXITED, 0)
    assert not (bench.folder / "command.sh").exists()
    assert (
        bench.launch.stdout.read_text(encoding="utf-8").strip()
        == f"lr: 0.1 {bench.launch.cwd} {bench.launch.workspace}"
    )


def test_a_shell_command_fails_when_a_part_of_it_fails(bench: Bench) -> None:
    ending = bench.run("cd . && cat {run_dir}/none | cat; echo never")
    assert (ending.cause, ending.exit_code) == (EndCause.EXITED, 1)
    assert bench.launch.stdout.read_bytes() == b"" and b"none" in bench.launch.stderr.read_bytes()


def test_a_run_sees_its_own_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    base = {**os.environ, "HF_TOKEN": "secret"}
    environment = run_environment(base, Path(sys.executable), bench.folder, "tag-seen")
    assert bench.run(command_line(TRAINER, "environment"), environment=environment).exit_code == 0
    seen = json.loads((bench.folder / "environment_seen.json").read_text(encoding="utf-8"))
    assert seen["LLM_LOOP_RUN"] == "tag-seen" and seen["LLM_LOOP_RUN_DIR"] == str(bench.folder)
    assert seen["PATH"].startswith(str(Path(sys.executable).parent)) and "HF_TOKEN" not in seen


def test_a_program_of_the_repository_is_found_from_its_folder(bench: Bench) -> None:
    script = bench.launch.cwd / "train.sh"
    script.write_text("#!/bin/sh\nexit 6\n", encoding="utf-8")
    script.chmod(0o755)
    assert bench.run("./train.sh --fast").exit_code == 6


def test_a_word_of_the_shell_goes_to_the_shell(bench: Bench) -> None:
    assert bench.run("exec sh -c 'exit 3'").exit_code == 3


def test_a_missing_program_is_named_and_nothing_is_left(bench: Bench) -> None:
    with pytest.raises(CommandError, match="'no-such-trainer' not found"):
        bench.engine.prepare(replace(bench.launch, command="no-such-trainer --lr 1"))
    assert not (bench.folder / "spec.json").exists()


@pytest.mark.parametrize("name", ["train.cmd", "Train.BAT"])
def test_batch_files_are_refused(bench: Bench, name: str) -> None:
    (bench.launch.cwd / name).write_text("", encoding="utf-8")
    (bench.launch.cwd / name).chmod(0o755)
    with pytest.raises(CommandError, match="batch file"):
        bench.engine.prepare(replace(bench.launch, command=f"./{name} --lr 1"))


def test_a_polite_stop_is_a_file(bench: Bench) -> None:
    bench.start(command_line(TRAINER, "polite"))
    eventually(lambda: (bench.folder / "metrics.jsonl").exists())
    assert bench.engine.recover(bench.folder, "tag") is None, "its keeper lives"
    bench.engine.request_stop(bench.folder)
    ending = bench.ended()
    assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, 0)
    assert eventually(lambda: bench.engine.recover(bench.folder, "tag")) == ending


def test_a_killed_keeper_is_lost_with_its_whole_family(bench: Bench) -> None:
    bench.start(command_line(TRAINER, "family"))
    eventually(lambda: (bench.folder / "family.pid").exists())
    grandchild = int((bench.folder / "family.pid").read_text(encoding="ascii"))
    kill(eventually(lambda: processes.read_started(bench.folder))["keeper_pid"])
    assert bench.ended().cause is EndCause.LOST
    assert not is_alive(grandchild)


@pytest.mark.parametrize("lost", ["spec.json", "started.json"])
def test_a_restarted_daemon_ends_the_family_without_that_file(bench: Bench, lost: str) -> None:
    bench.start(command_line(TRAINER, "family"))
    eventually(lambda: (bench.folder / "family.pid").exists())
    grandchild = int((bench.folder / "family.pid").read_text(encoding="ascii"))
    keeper = eventually(lambda: processes.read_started(bench.folder))["keeper_pid"]
    files.remove(bench.folder / lost)
    kill(keeper)
    eventually(lambda: not processes.platform.is_locked(bench.folder / "keeper.lock"))
    ending = LocalEngine(Keepers()).recover(bench.folder, bench.launch.environment["LLM_LOOP_RUN"])
    assert ending is not None and ending.cause in (EndCause.LOST, EndCause.VOID)
    assert not is_alive(grandchild)
