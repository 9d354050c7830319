"""Every path under .llm_loop has a name, once."""

from __future__ import annotations

from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths

# The names on disk that users of this system know.
KNOWN = {
    "state": "state.json",
    "events": "logs/events.jsonl",
    "cycle_summaries": "logs/cycle_summaries.jsonl",
    "heartbeat": "logs/daemon_heartbeat.json",
    "workpad": "artifacts/workpad.md",
    "mentor_notes": "artifacts/mentor_notes.md",
    "shared_todo": "artifacts/shared_todo.md",
    "storyline": "artifacts/storyline.md",
    "stop_daemon": "STOP_DAEMON",
    "stop_current_run": "STOP_CURRENT_RUN",
    "finish_up": "FINISH_UP.json",
    "codex_home": "codex_home",
    "pause": "PAUSE",
    "inbox": "inbox",
}


def named(paths: WorkspacePaths) -> dict[str, Path]:
    properties = (name for name, value in vars(WorkspacePaths).items() if isinstance(value, property))
    return {name: getattr(paths, name) for name in properties}


def test_known_names_stay(weird_path: Path) -> None:
    paths = WorkspacePaths(weird_path)
    assert {name: getattr(paths, name) for name in KNOWN} == {
        name: weird_path / ".llm_loop" / Path(relative) for name, relative in KNOWN.items()
    }


def test_no_two_names_share_a_path_and_all_lie_below_the_loops_folder(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    everything = named(paths)
    assert len(everything) >= len(KNOWN) and len(set(everything.values())) == len(everything)
    assert all(path == paths.loop or path.is_relative_to(paths.loop) for path in everything.values())
    assert not (tmp_path / ".llm_loop").exists(), "naming makes nothing"


def test_runs_attempts_and_calls_have_their_folders(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    assert paths.run("R0001") == tmp_path / ".llm_loop" / "runs" / "R0001"
    assert paths.attempt("R0001", 2) == paths.run("R0001") / "attempt-2"
    assert paths.call("C0001-x-worker-1") == paths.calls / "C0001-x-worker-1"
