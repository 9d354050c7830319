"""What a diagnosis is given of a failed attempt: the numbers that it reported last, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llm_loop.system.processes import EndCause, Ending
from tests.cycle.procedure.bench import Bench
from tests.memory.campaign_events import attempt

GOOD = '{"epoch": 1, "train_loss": 0.5, "val_log_loss": 0.4}\n'
BAD = '{"epoch": 2, "train_loss": NaN, "val_log_loss": 0.4}\n'


@pytest.mark.parametrize(
    ("rows", "printed", "cause"),
    [
        (GOOD + BAD, "", "divergence"),
        (GOOD, "", "unknown"),
        (BAD + GOOD.replace("1", "3", 1), "", "unknown"),
        ("", GOOD + BAD, "divergence"),
        ("", "", "unknown"),
        ("no rows\n", "", "unknown"),
    ],
)
def test_a_training_that_failed_on_numbers_that_are_not_finite_has_diverged(
    open_bench: Callable[..., Bench], rows: str, printed: str, cause: str
) -> None:
    bench = open_bench()
    bench.stage()
    bench.record("attempt_intended", run_id="R0001", attempt=attempt(1))
    folder = bench.paths.attempt("R0001", 1)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(rows, encoding="utf-8")
    bench.paths.logs.mkdir(parents=True, exist_ok=True)
    (bench.paths.logs / "log-1.stdout.log").write_text(printed, encoding="utf-8")
    bench.endings.conclude(bench.run(), Ending(cause=EndCause.EXITED, exit_code=1))
    assert bench.events("diagnosed")[0]["diagnosis"]["cause"] == cause
