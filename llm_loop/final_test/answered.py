"""Take a test_command's answer at the door: ``{run_dir}/test_result.json``, else the last JSON line that it printed.

An object with ``value``, or with the score under the metric's own name (``test_dice`` or ``val_dice``); ``metric``,
``interval`` (low, high), ``n`` and ``metrics`` (name to number) may be there, other keys are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_loop.contract.final_test import FinalTestResult, ScoreSource, metric_on_test
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.request import json_value
from llm_loop.errors import ContractError
from llm_loop.final_test.held import NoScoreError
from llm_loop.final_test.request import FinalTestRequest
from llm_loop.system import files

ANSWER = "test_result.json"
MOST_BYTES = 1_000_000
_PRINTED = "the last JSON line that the test_command printed"
_KNOWN = frozenset({"schema_version", "run_id", "metric", "value", "interval", "n", "metrics"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Hold what a test_command was given: when, and which opening of which rows it was, None where none is known."""

    opened_utc: str
    opening: int | None = None
    sealed_hash: str | None = None


def answer_of(asked: FinalTestRequest, taken: Taken, printed: str, before: tuple[int, int] | None) -> FinalTestResult:
    """Return what a test_command answered.

    ``before`` is the signature of a file that lay there before it started: unchanged, that one is no answer. Raises
    NoScoreError where there is none, ContractError where it cannot be believed.
    """
    path = asked.run_folder / ANSWER
    signature = files.signature(path)
    if signature is not None and signature != before:
        try:
            return _result(json_value(read_outside(path, MOST_BYTES), ANSWER), ANSWER, asked, taken)
        except OSError as error:
            raise NoScoreError(f"{ANSWER} cannot be read: {error.strerror or error}") from error
    line = next((one.strip() for one in reversed(printed.splitlines()) if one.strip().startswith("{")), None)
    if line is None:
        raise NoScoreError(f"the test_command wrote no {ANSWER} into the run's folder and printed no JSON line")
    return _result(json_value(line.encode(), _PRINTED), _PRINTED, asked, taken)


def _result(value: Any, subject: str, asked: FinalTestRequest, taken: Taken) -> FinalTestResult:
    if not isinstance(value, dict):
        raise ContractError(subject, ["a JSON object is wanted"])
    metric = metric_on_test(asked.metric)
    given = value.get("metrics")
    if given is None:
        given = {name: one for name, one in value.items() if name not in _KNOWN and _is_number(one)}
    whole = {
        "schema_version": 1,
        "run_id": asked.run_id,
        "metric": metric,
        "value": _value(value, given, asked.metric, subject),
        "interval": value.get("interval"),
        "n": value.get("n"),
        "metrics": given,
        "opened_utc": taken.opened_utc,
        "opening": taken.opening,
        "sealed_hash": taken.sealed_hash,
        "source": ScoreSource.TEST_COMMAND.value,
    }
    return FinalTestResult.from_json(whole, subject)


def _value(value: Mapping[str, Any], given: Any, metric: str, subject: str) -> Any:
    """Return the score. Raises ContractError where there is none, or several that are not the same number."""
    stem = metric_on_test(metric).removeprefix("test_")
    names = (f"test_{stem}", f"val_{stem}", stem)
    if value.get("metric", metric) not in (metric, *names):
        raise ContractError(subject, [f"metric: it tells of {value['metric']!r:.80}, where {names[0]} is wanted"])
    places = [value, *([given] if isinstance(given, dict) else [])]
    found = list(_scores(places, ("value", *names)))
    if not found:
        raise ContractError(subject, [f"value: there is none, nor {names[0]}"])
    if any(one != found[0] for one in found):
        raise ContractError(subject, [f"value: told several times, differently: {found[0]!r:.40}, {found[-1]!r:.40}"])
    return found[0]


def _scores(places: list[Any], names: tuple[str, ...]) -> Iterator[Any]:
    for place in places:
        yield from (place[name] for name in names if name in place)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
