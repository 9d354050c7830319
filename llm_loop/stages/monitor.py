"""Monitor: watch one attempt's output as it grows, bounded at each look.

The ending itself comes from the keeper's ``exit.json``; here is what may ask for one (a stop pattern,
silence for too long) and what people see meanwhile (epoch, loss, metric, time left).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.runs.progress import LogReader, Row, RowReader, finite, is_finite_row, rows_of_metrics_json
from llm_loop.system import files
from llm_loop.system.clock import Every

LOOK_S = 0.3
BYTES_A_LOOK = 524_288
ROW_BYTES_A_LOOK = 16_384
CURVE_POINTS = 120
FLAT_ROWS = 8
_EXPLODED_LOSS = 1e4
_EXPLODED_TIMES = 1000.0
_UNSEEN_S = 5.0
_FOREIGN_LOOK_S = 2.0
_FOREIGN_LOOK_S_PER_MB = 5.0  # a big file that is written anew each epoch: about 15 ms a megabyte


@dataclass(kw_only=True)
class Progress:
    """Hold what is known of a running attempt. Times are monotonic seconds.

    ``best_row`` is the reported epoch of the best value, counted from 1; ``is_finite`` is False once a loss or the
    metric was no finite number; ``not_finite_rows`` counts the reported epochs, the last ones in a row, where that was
    so, ``exploded_rows`` those whose loss had exploded.
    """

    started_s: float
    last_output_s: float
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    value: float | None = None
    best: float | None = None
    rows: int = 0
    best_row: int = 0
    is_finite: bool = True
    not_finite_rows: int = 0
    first_loss: float | None = None
    exploded_rows: int = 0
    curve: list[float] = field(default_factory=list)

    @property
    def is_flat(self) -> bool:
        """Whether the metric has not improved for 8 reported epochs and for half of all of them."""
        return self.best is not None and self.rows - self.best_row >= max(FLAT_ROWS, self.rows // 2)

    def to_json(self, now_s: float) -> dict[str, Any]:
        """Return the form that the heartbeat carries; ages and the time left in seconds."""
        elapsed = now_s - self.started_s
        left = None
        if self.epoch and self.epochs and self.epochs >= self.epoch:
            left = finite(round(elapsed / self.epoch * (self.epochs - self.epoch), 1))
        return {
            "epoch": self.epoch,
            "epochs": self.epochs,
            "loss": self.loss,
            "value": self.value,
            "best": self.best,
            "curve": self.curve,
            "age_s": round(elapsed, 1),
            "silent_s": round(now_s - self.last_output_s, 1),
            "eta_s": left,
        }


def has_exploded(loss: float | None, first_loss: float | None, *, is_best: bool) -> bool:
    """Tell whether an epoch's loss says that the training has diverged; a high one alone does not.

    It has to be above 10,000 and 1,000 times the loss of the run's first epoch, itself above 0, while the metric is not
    the best so far: a loss whose parts are weighted up as the training goes may grow, but then the metric does too.
    """
    if loss is None or first_loss is None or first_loss <= 0 or is_best:
        return False
    return loss > _EXPLODED_LOSS and loss > _EXPLODED_TIMES * first_loss


class RunWatch:
    """Watch the files of one attempt.

    ``metric`` and ``direction`` say which value is shown as best; ``metrics_json`` may name a foreign
    trainer's file. ``age_s`` is for how long the attempt has run already when the watch begins, in seconds.
    """

    def __init__(
        self,
        *,
        folder: Path,
        stdout: Path,
        stderr: Path,
        stop_patterns: tuple[str, ...],
        metric: str,
        direction: str,
        metrics_json: Path | None,
        now_s: float,
        age_s: float = 0.0,
    ) -> None:
        self.look_due = Every(LOOK_S)
        self.progress = Progress(started_s=now_s - age_s, last_output_s=now_s)
        self._logs = [LogReader(stdout), LogReader(stderr)]
        self._printed = RowReader()
        self._file = LogReader(folder / "metrics.jsonl")
        self._file_rows = RowReader()
        self._patterns = [pattern.lower().encode() for pattern in stop_patterns if pattern.strip()]
        self._carry = [b"", b""]
        self._metric, self._direction = metric, direction
        self._metrics_json = metrics_json
        self._metrics_json_seen: tuple[int, int] | None = files.signature(metrics_json) if metrics_json else None
        self._next_foreign_look_s = now_s
        self._looked_s = now_s

    def look(self, now_s: float) -> str | None:
        """Read what is new; return the stop pattern that was found, or None.

        A time in which nobody looked, because a drive was away or this process stood still, is no silence of the run.
        """
        unseen_s = now_s - self._looked_s
        if unseen_s > _UNSEEN_S:
            self.progress.last_output_s += unseen_s
        self._looked_s = now_s
        found = None
        for index, log in enumerate(self._logs):
            piece = log.read(BYTES_A_LOOK)
            if not piece:
                continue
            self.progress.last_output_s = now_s
            found = found or self._pattern_in(index, piece)
            if index == 0:
                self._take(self._printed.feed(piece))
        if piece := self._file.read(ROW_BYTES_A_LOOK):
            self.progress.last_output_s = now_s
            self._take(self._file_rows.feed(piece))
        self._look_at_metrics_json(now_s)
        return found

    def _pattern_in(self, index: int, piece: bytes) -> str | None:
        if not self._patterns:
            return None
        text = self._carry[index] + piece.lower()
        self._carry[index] = text[-(max(map(len, self._patterns)) - 1 or 1) :]
        return next((pattern.decode() for pattern in self._patterns if pattern in text), None)

    def _look_at_metrics_json(self, now_s: float) -> None:
        if self._metrics_json is None or now_s < self._next_foreign_look_s:
            return
        self._next_foreign_look_s = now_s + _FOREIGN_LOOK_S
        signature = files.signature(self._metrics_json)
        if signature is None or signature == self._metrics_json_seen:
            return
        self._metrics_json_seen = signature
        self._next_foreign_look_s += _FOREIGN_LOOK_S_PER_MB * signature[1] / 1e6
        self.progress.last_output_s = now_s
        rows = rows_of_metrics_json(self._metrics_json)
        self._take(rows[self.progress.rows :])

    def _take(self, rows: list[Row]) -> None:
        progress = self.progress
        for row in rows:
            epoch = int(row["epoch"]) if finite(row.get("epoch")) is not None else progress.epoch
            if epoch is not None and progress.epoch is not None and epoch <= progress.epoch:
                continue  # the same epoch from a second source
            progress.rows += 1
            progress.epoch = epoch
            progress.epochs = int(row["epochs"]) if finite(row.get("epochs")) is not None else progress.epochs
            progress.loss = next((v for k in ("train_loss", "loss") if (v := finite(row.get(k))) is not None), None)
            self._take_value(finite(row.get(self._metric)))
            is_finite = is_finite_row(row, self._metric)
            progress.is_finite &= is_finite
            progress.not_finite_rows = 0 if is_finite else progress.not_finite_rows + 1
            self._compare_loss()

    def _compare_loss(self) -> None:
        """Count the epochs in a row whose loss has exploded; one that is not finite counts elsewhere, and ends none."""
        progress = self.progress
        if progress.loss is None:
            return
        is_best = progress.value is not None and progress.best_row == progress.rows
        exploded = has_exploded(progress.loss, progress.first_loss, is_best=is_best)
        progress.exploded_rows = progress.exploded_rows + 1 if exploded else 0
        progress.first_loss = progress.loss if progress.first_loss is None else progress.first_loss

    def _take_value(self, value: float | None) -> None:
        progress = self.progress
        progress.value = value
        if value is None:
            return
        better = min if self._direction == "min" else max
        if progress.best is None or better(progress.best, value) != progress.best:
            progress.best, progress.best_row = value, progress.rows
        progress.curve.append(value)
        if len(progress.curve) > CURVE_POINTS:
            progress.curve = progress.curve[::2]
