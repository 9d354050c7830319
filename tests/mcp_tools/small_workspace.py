"""A small workspace with ended runs, logs, a TODO, sealed rows, and a checkout, as files alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction, Result
from llm_loop.mcp_tools.calling import call
from llm_loop.mcp_tools.sources import Sources
from llm_loop.memory.history import HistoryRow

SECRET = "sealed-row-4711"
LOGIN = "login-token-0815"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallWorkspace:
    """Hold the places. ``ask`` calls a tool as the server does."""

    paths: WorkspacePaths
    checkout: Path

    def ask(self, tool: str, **arguments: Any) -> str:
        """Return a tool's answer; fail where it refuses."""
        text, refused = call(Sources.open(self.paths.root, self.checkout), tool, arguments)
        assert not refused, text
        return text

    def refusal(self, tool: str, **arguments: Any) -> str:
        """Return why a tool refuses; fail where it answers."""
        text, refused = call(Sources.open(self.paths.root, self.checkout), tool, arguments)
        assert refused, text
        return text

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the checkout."""
        file = self.checkout / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        return file

    def log(self, run_id: str, text: str, attempt: int = 1, stream: str = "stdout") -> Path:
        """Write a run's log and the spec that names it, as a launch does."""
        folder = self.paths.attempt(run_id, attempt)
        folder.mkdir(parents=True, exist_ok=True)
        names = {
            name: self.paths.logs / f"20260102T030405Z_{run_id}_{attempt}.{name}.log" for name in ("stdout", "stderr")
        }
        for file in names.values():
            file.touch()
        names[stream].write_text(text, encoding="utf-8", newline="\n")
        spec = {name: str(file) for name, file in names.items()}
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        return names[stream]

    def end_runs(self, *rows: HistoryRow) -> None:
        """Append rows to the history."""
        with self.paths.history.open("a", encoding="utf-8", newline="\n") as stream:
            stream.writelines(json.dumps(row.to_json()) + "\n" for row in rows)


def make(root: Path) -> SmallWorkspace:
    paths = WorkspacePaths(root)
    for folder in (root / "config", paths.logs, paths.artifacts, paths.codex_home, paths.checkout("K0001")):
        folder.mkdir(parents=True)
    (root / "config" / "daemon_config.json").write_text('{"sealed_root": "vault"}', encoding="utf-8")
    for sealed in (root / "vault", root / ".llm_loop_sealed"):
        sealed.mkdir()
        (sealed / "test.csv").write_text(f"{SECRET}\n", encoding="utf-8")
    (paths.codex_home / "auth.json").write_text(f'"{LOGIN}"', encoding="utf-8")
    return SmallWorkspace(paths=paths, checkout=paths.checkout("K0001"))


def a_row(number: int, value: float | None = None, **fields: Any) -> HistoryRow:
    """Return an ended run; with a ``value`` it completed with that val_log_loss."""
    result = None
    if value is not None:
        result = Result(
            metric="val_log_loss",
            direction=Direction.MIN,
            value=value,
            best_val_score=-value,
            seed=number,
            params={"optimizer.lr": 0.1 * number},
            score_source="self_reported",
        )
    given: dict[str, Any] = {
        "seq": number,
        "run_id": f"R{number:04d}",
        "label": f"label {number}",
        "label_decided": f"label {number}",
        "cycle": number,
        "cycle_trace_id": f"C{number:04d}-0a1b2c3d",
        "state": "failed" if result is None else "completed",
        "cause": "exit_code" if result is None else None,
        "proposer": "builtin",
        "idea_category": IdeaCategory.OPTIMIZATION,
        "started_utc": "2026-01-02T03:04:05Z",
        "ended_utc": "2026-01-02T03:05:05Z",
        "run_seconds": 60.0,
        "attempts": 1,
        "command": "python train.py",
        "result": result,
    }
    return HistoryRow(**given | fields)
