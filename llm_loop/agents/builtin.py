"""The built-in planner as an agent: ``python -X utf8 -m llm_loop.agents.builtin CALL_DIR``.

Reads ``CALL_DIR/observation.json`` and writes ``CALL_DIR/answer.json``, whole or not at all: a
decision for the worker, a review for the mentor. Exit code 0; an error is one line on stderr and
exit code 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_loop.agents.builtin_mentor import review
from llm_loop.agents.builtin_worker import decide
from llm_loop.contract.decision import Decision
from llm_loop.contract.observation import Observation, Role
from llm_loop.contract.review import Review
from llm_loop.errors import ContractError, LoopError
from llm_loop.system.files import read_json, replace_json
from llm_loop.system.folders import never_make_anew

OBSERVATION_FILE = "observation.json"
ANSWER_FILE = "answer.json"


def answer(observation: Observation) -> dict[str, Any]:
    """Return the answer's JSON form, checked against its own contract. Raises LoopError."""
    if observation.role is Role.MENTOR:
        value = review(observation).to_json()
        Review.from_json(value)
    else:
        value = decide(observation).to_json()
        Decision.from_json(value)
    return value


def main(arguments: Sequence[str]) -> int:
    """Answer one call; return the exit code."""
    if len(arguments) != 1:
        print("usage: python -X utf8 -m llm_loop.agents.builtin CALL_DIR", file=sys.stderr)
        return 1
    call = Path(arguments[0])
    never_make_anew(call)
    try:
        replace_json(call / ANSWER_FILE, answer(_read_observation(call / OBSERVATION_FILE)))
    except FileNotFoundError:
        print(f"built-in planner: {call / OBSERVATION_FILE} is missing; the loop writes it first", file=sys.stderr)
        return 1
    except LoopError as error:
        print(f"built-in planner: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _read_observation(path: Path) -> Observation:
    value = read_json(path)
    try:
        return Observation.from_json(value)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(str(path), [f"not an observation ({error})"]) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
