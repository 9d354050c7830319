"""What the built-in planner writes into the workpad and the shared TODO, and what it ticks off."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llm_loop.agents.evidence import Evidence
from llm_loop.agents.search_space import SearchSpace
from llm_loop.agents.wording import changes_text, number_text
from llm_loop.contract.decision import Housekeeping, IdeaCategory
from llm_loop.contract.observation import Observation

TODO_EVERY = 8
RESOLVED_AT_ONCE = 6
STRATEGY_DIMENSIONS = tuple(one for one in IdeaCategory if one is not IdeaCategory.OTHER)
_ADD_PARAMETER = re.compile(r"^Give the search space a parameter of the dimension (\w+)")
_TRY_DIMENSION = re.compile(r"^Vary the neglected dimension (\w+) around (\S+?),")


def add_parameter_todo(dimension: IdeaCategory) -> str:
    """Return the TODO that asks a person for a parameter of a dimension that has none."""
    return f"Give the search space a parameter of the dimension {dimension.value}: no run can vary it so far."


def try_dimension_todo(dimension: IdeaCategory, run_name: str) -> str:
    """Return the mentor's TODO for a neglected dimension; ``run_name`` is ``R0005, label``."""
    return f"Vary the neglected dimension {dimension.value} around {run_name}, and keep everything else as it is."


def housekeeping(observation: Observation, space: SearchSpace, evidence: Evidence) -> Housekeeping:
    """Return at most one TODO, a note when the run that ended last is the new best, and TODOs now done."""
    return Housekeeping(
        todo_new=tuple(_todo(observation, space, evidence)),
        notes_update=_note(observation, space, evidence),
        resolve_shared_todo_ids=tuple(_done(observation, space))[:RESOLVED_AT_ONCE],
    )


def _todo(observation: Observation, space: SearchSpace, evidence: Evidence) -> Iterable[str]:
    if evidence.run_count == 0 or evidence.run_count % TODO_EVERY:
        return
    searched = {parameter.category for parameter in space.parameters} | {IdeaCategory.EVALUATION}
    asked = {todo.text for todo in observation.open_todos}
    missing = [one for one in STRATEGY_DIMENSIONS if one not in searched]
    for dimension in missing[:1]:
        if not any(add_parameter_todo(dimension) in text for text in asked):
            yield add_parameter_todo(dimension)


def _note(observation: Observation, space: SearchSpace, evidence: Evidence) -> str:
    best = evidence.best
    if best is None or len(evidence.experiments) < 2 or len(best.runs) > 1:
        return ""
    if observation.history[-1].run_id != best.runs[0].run_id:
        return ""
    before = max((one for one in evidence.experiments if one is not best), key=evidence.score)
    metric = observation.domain.selection_metric
    return (
        f"New best {metric} {number_text(best.mean)} ({best.name}), before {number_text(before.mean)} "
        f"({before.name}); changed {changes_text(space, best.params, before.params)}."
    )[:500]


def _done(observation: Observation, space: SearchSpace) -> Iterable[str]:
    """Name the open TODOs of the planner's own two kinds that are done."""
    searched = {parameter.category.value for parameter in space.parameters}
    for todo in observation.open_todos:
        text = todo.text.split(": ", 1)[-1] if todo.text.startswith("[") else todo.text
        if (asked := _ADD_PARAMETER.search(text)) and asked[1] in searched:
            yield todo.id
        if (wanted := _TRY_DIMENSION.search(text)) and _varied_since(observation, wanted[1], wanted[2]):
            yield todo.id


def _varied_since(observation: Observation, dimension: str, run_id: str) -> bool:
    """Tell whether a run of the dimension completed after the named run."""
    ids = [run.run_id for run in observation.history]
    later = observation.history[ids.index(run_id) + 1 :] if run_id in ids else ()
    return any(run.idea_category == dimension and run.state == "completed" for run in later)
