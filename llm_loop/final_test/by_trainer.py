"""Let the shipped trainer score one of its own runs; its word is believed where the record of openings agrees."""

from __future__ import annotations

from pathlib import Path

from llm_loop.contract.final_test import FinalTestResult, ScoreSource, metric_on_test, read_final_test
from llm_loop.errors import ContractError
from llm_loop.final_test.held import Bench, NoScoreError
from llm_loop.final_test.request import FinalTestRequest
from llm_loop.final_test.seen import is_recorded

KEPT = "final_test"
"""Begins the name of the file that keeps the score: a later try for the same reason finds it there."""
_PARTING_S = 1.0
_INSTALLED = ("site-packages", "dist-packages")
_MODULE = "llm_loop.trainer.final_score"


def score_by_trainer(asked: FinalTestRequest, bench: Bench) -> FinalTestResult:
    """Return the score. Raises LoopError with the reason why there is none."""
    kept = asked.kept(KEPT)
    argv = [str(asked.training_python), "-P", "-X", "utf8", "-m", _MODULE, str(asked.run_folder)]
    argv += [f"--sealed-root={asked.sealed_root}", f"--run={asked.run_id}", f"--why={asked.why}", f"--out={kept}"]
    argv += [f"--within={max(1.0, asked.deadline_s - _PARTING_S):g}"]
    bench.run(argv, _environment(asked), asked.cwd, asked.deadline_s)
    try:
        result = read_final_test(kept)
    except (FileNotFoundError, ContractError) as error:
        raise NoScoreError(f"the trainer's score cannot be read: {error}") from error
    _expect_its_own(result, asked)
    return result


def _environment(asked: FinalTestRequest) -> dict[str, str]:
    """Return the environment of the run without its code: nothing that a run changed has a part in its score.

    A loop that lies in a checkout brings its own trainer along; an installed one takes that of the training Python.
    """
    environment = {name: value for name, value in asked.base_environment().items() if name != "PYTHONPATH"}
    parent = Path(__file__).resolve().parents[2]
    return environment if parent.name in _INSTALLED else environment | {"PYTHONPATH": str(parent)}


def _expect_its_own(result: FinalTestResult, asked: FinalTestRequest) -> None:
    """Raise NoScoreError unless a result is of this run, this metric, these rows, and of a recorded opening."""
    wanted = {
        "run_id": (result.run_id, asked.run_id),
        "metric": (result.metric, metric_on_test(asked.metric)),
        "sealed_hash": (result.sealed_hash, asked.sealed_hash),
        "source": (result.source, ScoreSource.TRAINER),
    }
    for name, (told, expected) in wanted.items():
        if told != expected:
            raise NoScoreError(f"the trainer's score tells of {name} {told}, where {expected} was asked for")
    if not is_recorded(asked, result.opened_utc):
        raise NoScoreError(f"the trainer's score tells of an opening that is not in the record in {asked.sealed_root}")
