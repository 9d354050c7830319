"""Write the files of a night as a loop leaves them: a journal, a history, run folders, with any number of runs."""

from __future__ import annotations

import json
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.procedure import Failure
from llm_loop.contract.result import Direction, Result
from llm_loop.memory.history import HistoryRow
from llm_loop.system.clock import utc_text

METRIC = "val_dice"
DATA_HASH = "sha256:0a1b2c"


class Night:
    """Build one night. The clock moves only with what happens; ``files`` are written by ``save``."""

    def __init__(self, root: Path, direction: Direction = Direction.MAX) -> None:
        self.paths = WorkspacePaths(root)
        self.now = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
        self._direction = direction
        self._events: list[dict[str, Any]] = []
        self._rows: list[HistoryRow] = []
        self._monotonic = 1000.0
        config = {"selection_metric": METRIC, "selection_direction": direction.value, "training_repo_root": "."}
        (root / "config").mkdir(parents=True, exist_ok=True)
        (root / "config" / "daemon_config.json").write_text(json.dumps(config), encoding="utf-8")
        self.start()

    def start(self) -> None:
        self.record("daemon_started", pid=1, version="0.1.0", python="3.11", slots=2)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def record(self, kind: str, **fields: Any) -> None:
        self._events.append({"seq": len(self._events) + 1, "ts_utc": utc_text(self.now), "event": kind, **fields})

    def run(
        self,
        value: float | None,
        *,
        label: str | None = None,
        seed: int = 0,
        params: dict[str, Any] | None = None,
        interval: tuple[float, float] | None = None,
        category: IdeaCategory = IdeaCategory.OTHER,
        state: str = "completed",
        failure: Failure | None = None,
        seconds: float = 60.0,
        slot: int = 1,
        why: str = "to see what it does",
        **result: Any,
    ) -> str:
        """Let a run begin and end; return its id."""
        number = len(self._rows) + 1
        run_id, label = f"R{number:04d}", label or f"run-{number}"
        trace = f"C{number:04d}-0a1b2c3d"
        decision = {"action": "run_command", "rationale": why, "command": "python train.py", "run_label": label}
        self.record("cycle_opened", cycle=number, cycle_trace_id=trace, agent="builtin")
        self.record("run_staged", run={"run_id": run_id, "label": label, "decision": decision, "proposer": "builtin"})
        attempt = {"number": 1, "tag": "t", "log_tag": f"x_{run_id.lower()}", "engine": "local", "slot": slot}
        self.record("attempt_intended", run_id=run_id, label=label, attempt=attempt)
        began = self._monotonic
        self.wait(seconds)
        self.record(
            "attempt_ended",
            run_id=run_id,
            cause="exited",
            exit_code=0,
            duration_s=seconds,
            started_monotonic_s=began,
            ended_monotonic_s=self._monotonic,
            ended_utc=utc_text(self.now),
        )
        told = None if value is None else self._result(value, seed, params, interval, result)
        row = HistoryRow(
            seq=len(self._events) + 1,
            run_id=run_id,
            label=label,
            label_decided=label,
            cycle=number,
            cycle_trace_id=trace,
            state=state,
            cause=None if state == "completed" else "exit_code_1",
            proposer="builtin",
            idea_category=category,
            started_utc=None,
            ended_utc=utc_text(self.now),
            run_seconds=seconds,
            attempts=1,
            command="python train.py --config {run_dir}/trial.yaml",
            result=told,
            code_version="c0de",
            failure=failure,
        )
        self.record("run_ended", run_id=run_id, cycle=number, cycle_trace_id=trace, state=state, row=row.to_json())
        self._rows.append(row)
        return run_id

    def _result(
        self,
        value: float,
        seed: int,
        params: dict[str, Any] | None,
        interval: tuple[float, float] | None,
        others: dict[str, Any],
    ) -> Result:
        score = value if self._direction is Direction.MAX else -value
        named = {"seed": seed, **({"lr": len(self._rows) / 7 + 0.01} if params is None else params)}
        fields: dict[str, Any] = {"data_hash": DATA_HASH, "model": "small_unet", "n": 128, "best_epoch": 2} | others
        return Result(
            metric=METRIC,
            direction=self._direction,
            value=value,
            best_val_score=score,
            seed=seed,
            params=named,
            interval=interval,
            **fields,
        )

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run's attempt, made."""
        place = self.paths.attempt(run_id, 1)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def curve(self, run_id: str, *values: float) -> None:
        rows = [{"epoch": epoch, METRIC: value, "train_loss": 1.0} for epoch, value in enumerate(values, 1)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder(run_id) / "metrics.jsonl").write_text(text, encoding="utf-8")

    def artifact(self, name: str, text: str) -> Path:
        self.paths.artifacts.mkdir(parents=True, exist_ok=True)
        place = self.paths.artifacts / name
        place.write_text(text, encoding="utf-8")
        return place

    def save(self) -> None:
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        self.paths.events.write_text(_lines(self._events), encoding="utf-8")
        self.paths.history.write_text(_lines([row.to_json() for row in self._rows]), encoding="utf-8")


def a_night(root: Path) -> Night:
    """Return a night of seven runs: a first one, two gains, one of them repeated twice, one tie, two failures."""
    night = Night(root)
    night.run(0.50, label="baseline", params={"lr": 0.1, "loss": "bce"}, category=IdeaCategory.EVALUATION)
    night.run(0.70, label="wider", params={"lr": 0.2, "loss": "bce"}, category=IdeaCategory.MODEL_ARCH)
    for seed, value in enumerate((0.80, 0.81, 0.82)):
        params = {"lr": 0.3, "loss": "dice"}
        night.run(value, label="dice-loss", seed=seed, params=params, category=IdeaCategory.LOSS, why="masks are thin")
    night.run(0.805, label="dice-loss-too", params={"lr": 0.31, "loss": "dice"}, category=IdeaCategory.LOSS, slot=2)
    failure = Failure(
        is_of_idea=True, diagnosis="out_of_memory", evidence_line="CUDA out of memory", tried="a smaller batch"
    )
    for _ in range(2):
        night.run(None, label="huge", state="failed", failure=failure, category=IdeaCategory.MODEL_ARCH)
    return night


def a_png(width: int = 3, height: int = 2) -> bytes:
    """Return a small grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = b"".join(b"\x00" + b"\x80" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def _lines(values: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)
