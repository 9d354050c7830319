"""A workspace after any number of cycles, as its files and its memory stand: what observe is given."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_loop.config import Config, load_config
from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.observation import Observation, OpenTodo, Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction, Result
from llm_loop.contract.run import Attempt, Run, RunState
from llm_loop.memory import leaderboard
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.shown_runs import ShownRuns
from llm_loop.memory.state import LoopState, Plan
from llm_loop.stages.observe import observe
from tests.conftest import REPOSITORY, make_workspace
from tests.memory.campaign_events import DECISION

CATEGORIES = tuple(category for category in IdeaCategory if category is not IdeaCategory.OTHER)
SPACE = """
schema_version: 1
base_config: config/base.yaml
config_file: trial.yaml
command: python -m trainer --config {run_dir}/trial.yaml --output-dir {run_dir}
working_folder: .
seed_key: seed
parameters:
"""
TIME = "2026-03-01T22:00:00Z"


@dataclass(kw_only=True)
class Campaign:
    """Hold what a daemon would hold after ``cycles`` cycles."""

    config: Config
    paths: WorkspacePaths
    rows: list[HistoryRow]
    index: HistoryIndex
    state: LoopState
    todos: tuple[OpenTodo, ...]
    plan: Plan

    def observe(self, role: Role = Role.WORKER, **fields: Any) -> Observation:
        """Observe as the daemon does; ``plan`` and ``state`` may be given."""
        plan, state = fields.pop("plan", self.plan), fields.pop("state", self.state)
        rows = fields.pop("rows", None) or self.shown_rows()
        return observe(role, plan, state, rows, self.todos, self.config, index=self.index, **fields)

    def shown_rows(self) -> list[HistoryRow]:
        """Return the rows that agents are shown; a daemon knows them from run to run."""
        shown = ShownRuns()
        for place, row in enumerate(self.rows):
            shown.add(place, row)
        return [self.rows[place] for place in shown.offsets()]

    def observe_proposal(self, **fields: Any) -> Observation:
        """Observe for the mentor, who is asked about a decision."""
        plan = replace(self.plan, accepted={"decision": DECISION}, review_reasons=("cadence_every_4",))
        return self.observe(Role.MENTOR, **{"plan": plan, **fields})


def make_campaign(root: Path, cycles: int, **settings: Any) -> Campaign:
    """Make the workspace; the last run has failed, one is training."""
    make_workspace(root, search_space="config/space.yaml", worker_command=None, **settings)
    for name in ("WORKER_MISSION.md", "MENTOR_MISSION.md"):
        (root / name).write_bytes((REPOSITORY / name).read_bytes())
    _write_search_space(root / "config")
    config = load_config(root / "config" / "daemon_config.json", root, {"PATH": os.environ["PATH"]})
    paths = WorkspacePaths(root)
    rows = [history_row(number) for number in range(1, cycles + 1)]
    if cycles:
        rows[-1] = replace(rows[-1], state="failed", cause="exit_code_1", result=None, config_hash=None)
    index = HistoryIndex("val_log_loss", Direction.MIN, rows)
    _write_pages(paths, cycles)
    for row in rows[-5:]:
        write_rows(paths.attempt(row.run_id, 1) / "metrics.jsonl", 40)
    board = leaderboard.build(rows, "val_log_loss", Direction.MIN, 10)
    paths.leaderboard_json.write_text(json.dumps(board.to_json()), encoding="utf-8")
    return Campaign(
        config=config,
        paths=paths,
        rows=rows,
        index=index,
        state=_state(paths, cycles),
        todos=tuple(OpenTodo(id=f"C{n:04d}-W01", text=f"look at thing {n} and " + "why " * 40) for n in range(60)),
        plan=Plan(cycle=cycles + 1, cycle_trace_id=f"C{cycles + 1:04d}-0a1b2c3d"),
    )


def history_row(number: int, **fields: Any) -> HistoryRow:
    """Return the row of a completed run whose value falls slowly, then stays."""
    value = 0.05 + 1 / math.sqrt(min(number, 60)) + (number % 7) * 0.001
    params = {f"group{k % 5}.parameter_{k}": round((number * (k + 1)) % 97 / 97, 4) for k in range(18)}
    result = Result(
        metric="val_log_loss",
        direction=Direction.MIN,
        value=value,
        best_val_score=-value,
        best_epoch=31,
        epochs_run=40,
        n=540,
        seed=3,
        params=params | {"seed": 3},
        model="small_cnn",
        run_seconds=31.0,
    )
    row: dict[str, Any] = {
        "seq": number,
        "run_id": f"R{number:04d}",
        "label": f"label-of-run-{number}",
        "label_decided": f"label-of-run-{number}",
        "cycle": number,
        "cycle_trace_id": f"C{number:04d}-0a1b2c3d",
        "state": "completed",
        "cause": None,
        "proposer": "codex",
        "idea_category": CATEGORIES[number % len(CATEGORIES)],
        "started_utc": TIME,
        "ended_utc": TIME,
        "run_seconds": 31.0,
        "attempts": 1,
        "command": "python t.py",
        "result": result,
        "metrics": {"val_log_loss": value, "val_accuracy": 0.9},
    }
    return HistoryRow(**{**row, **fields})


def write_rows(path: Path, count: int, **fields: Any) -> None:
    """Write a ``metrics.jsonl`` whose metric falls to its best at three quarters, then rises a little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for epoch in range(1, count + 1):
            value = 1.0 / epoch if epoch <= count * 3 // 4 else 1.0 / epoch + 0.3
            row = {"epoch": epoch, "epochs": count, "train_loss": 0.5, "val_log_loss": value, "seconds": 1.0}
            stream.write(json.dumps(row | fields) + "\n")


def running_run(number: int) -> Run:
    """Return a run in its first attempt."""
    return Run(
        run_id=f"R{number:04d}",
        label=f"label-of-run-{number}",
        label_decided=f"label-of-run-{number}",
        cycle=number,
        cycle_trace_id=f"C{number:04d}-0a1b2c3d",
        state=RunState.RUNNING,
        decision=DECISION,
        proposer="codex",
        monitor_seconds=60,
        experiment="0",
        staged_seq=1,
        cycle_record={},
        attempts=(Attempt(number=1, tag="t", log_tag=f"log-{number}"),),
    )


def _state(paths: WorkspacePaths, cycles: int) -> LoopState:
    running = running_run(cycles + 1)
    write_rows(paths.attempt(running.run_id, 1) / "metrics.jsonl", 30)
    last = {"run_id": f"R{cycles:04d}", "log_tag": "failed"} if cycles else None
    (paths.logs / "failed.stderr.log").write_text("Traceback\n" * 800 + "ValueError: no such loss\n", encoding="utf-8")
    return LoopState(
        cycle=cycles, cycles_closed=cycles, runs={running.run_id: running}, last_completed_run=last, waits_in_a_row=0
    )


def _write_pages(paths: WorkspacePaths, cycles: int) -> None:
    paths.artifacts.mkdir(parents=True)
    paths.logs.mkdir(parents=True)
    notes = [f"- [{TIME}] note {n}: " + "learned something worth a line, " * 6 for n in range(cycles)]
    data = [f"- [{TIME}] finding {n}: " + "these images are dark, " * 6 for n in range(cycles)]
    text = "\n".join(["# LLM Workpad", "", "## Notes", "", *notes, "", "## Data Exploration", "", *data, ""])
    paths.workpad.write_text(text, encoding="utf-8")
    blocks = [
        f"## Cycle {n:04d} | {TIME}\n\n- Recommendation: continue\n- Critique: {'x ' * 150}\n" for n in range(cycles)
    ]
    paths.mentor_notes.write_text("# Mentor Notes\n\n" + "\n".join(blocks), encoding="utf-8")
    story = [
        f"## Cycle {n:04d} | {TIME}\n\n- trace=C{n:04d} | action=run_command | {'y ' * 100}\n" for n in range(cycles)
    ]
    paths.storyline.write_text("# LLM Work Storyline\n\n" + "\n".join(story), encoding="utf-8")


def _write_search_space(folder: Path) -> None:
    names = [f"group{k % 5}.parameter_{k}" for k in range(18)]
    lines = [f"  - {{name: {name}, type: float, low: 0.0, high: 1.0, category: optimization}}\n" for name in names]
    (folder / "space.yaml").write_text(SPACE + "".join(lines), encoding="utf-8")
    base = {"seed": 3, "data": {"image_size": 8}, "training": {"epochs": 40, "batch_size": 16}}
    (folder / "base.yaml").write_text(json.dumps(base), encoding="utf-8")
