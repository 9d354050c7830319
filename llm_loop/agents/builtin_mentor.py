"""The mentor without an LLM: it challenges a repeat, flat progress and a neglected dimension.

A challenge always brings a concrete experiment instead; where there is none, the decision stands.
"""

from __future__ import annotations

from dataclasses import replace

import yaml

from llm_loop.agents.builtin_housekeeping import try_dimension_todo
from llm_loop.agents.builtin_worker import alternative, experiment_decision, read_space
from llm_loop.agents.evidence import Evidence, gather, is_measured, is_own_fault
from llm_loop.agents.neglected import LOOKED_AT, least_tried, vary
from llm_loop.agents.parameter import Scalar, same_scalar
from llm_loop.agents.search_space import SearchSpace, flat_config
from llm_loop.agents.start_points import start_point_count
from llm_loop.agents.wording import number_text
from llm_loop.contract.decision import Action, Decision, Housekeeping, IdeaCategory
from llm_loop.contract.observation import KnownRun, Observation
from llm_loop.contract.review import Recommendation, Review
from llm_loop.contract.yaml_bombs import is_bomb
from llm_loop.errors import ContractError

FLAT_AFTER = 5
"""Experiments without a gain beyond the noise until progress counts as flat, the start points not counted."""
TINY_DISTANCE = 0.01
"""Share of a parameter's range under which two values are the same experiment."""


def review(observation: Observation) -> Review:
    """Return the review of the observation's proposal; the same observation gives the same one.

    Raises ContractError when there is no valid proposal, ConfigError when the search space cannot be used.
    """
    if observation.proposal is None:
        raise ContractError("observation", ["proposal: a mentor is asked about a decision, and there is none"])
    proposal = Decision.from_json(observation.proposal, "proposal")
    space = read_space(observation)
    if space is None or proposal.action is not Action.RUN_COMMAND:
        return _approval(f"on_track: {proposal.action.value} stands; there is nothing to compare it with.")
    evidence = gather(observation, space)
    found = (
        _repeat(observation, space, evidence, proposal)
        or _flat(observation, space, evidence, proposal)
        or _neglect(observation, space, evidence, proposal)
    )
    return found or _approval(_praise(observation, space, evidence, proposal))


def _repeat(observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Decision) -> Review | None:
    config = _proposed_config(space, proposal)
    twin = None if config is None else _twin(observation, space, config)
    params = None if config is None else space.project(config)
    if twin is None or params is None:
        return None
    instead = alternative(observation, space, evidence, avoid=[params])
    value = "no result yet" if twin.value is None else f"{observation.domain.selection_metric} {_number(twin)}"
    return _challenge(
        f"off_track: this repeats {twin.run_id} ({twin.label}, {value}) with the same seed, so it cannot tell "
        "anything new.",
        instead,
        question=f"What was this run to show that {twin.run_id} does not?",
    )


def _flat(observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Decision) -> Review | None:
    least = least_tried(space, observation.history)
    if _is_early(space, evidence) or least is None or not _is_flat(evidence):
        return None
    dimension, _ = least
    best = evidence.best
    if best is None or _addressed(observation, proposal, dimension):
        return None
    noise = "" if evidence.noise is None else f", noise {number_text(evidence.noise)}"
    critique = (
        f"off_track: none of the last {FLAT_AFTER} configurations beat {best.name} "
        f"({observation.domain.selection_metric} {number_text(best.mean)}{noise}); "
        f"{dimension.value} is the dimension that the last {LOOKED_AT} runs tried least, so vary it alone around the "
        "best."
    )
    return _toward(observation, space, evidence, dimension, critique)


def _neglect(observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Decision) -> Review | None:
    least = least_tried(space, observation.history)
    best = evidence.best
    if _is_early(space, evidence) or least is None or best is None or least[1] > 0:
        return None
    dimension, _ = least
    if _addressed(observation, proposal, dimension):
        return None
    critique = (
        f"off_track: none of the last {LOOKED_AT} runs was about {dimension.value}, although the search space "
        f"has parameters of it; vary it alone around {best.name}."
    )
    return _toward(observation, space, evidence, dimension, critique)


def _toward(
    observation: Observation, space: SearchSpace, evidence: Evidence, dimension: IdeaCategory, critique: str
) -> Review | None:
    varied = vary(space, evidence, dimension, observation.seed)
    if varied is None or varied.repeats is None:
        return None
    instead = experiment_decision(observation, space, evidence, varied)
    todo = try_dimension_todo(dimension, varied.repeats.name)
    known = any(todo in one.text for one in observation.open_todos)
    return _challenge(critique, replace(instead, idea_category=dimension), todo="" if known else todo)


def _challenge(critique: str, instead: Decision | None, *, question: str = "", todo: str = "") -> Review | None:
    """Return a challenge, or None when nothing better can be named."""
    if instead is None:
        return None
    return Review(
        recommendation=Recommendation.CHALLENGE,
        critique=critique,
        questions=(question,) if question else (),
        mentor_notes=f"{critique.split(': ', 1)[1]} Suggested instead: {instead.run_label}.",
        todo_updates=(todo,) if todo else (),
        suggested_decision=replace(instead, housekeeping=Housekeeping()),
    )


def _approval(critique: str) -> Review:
    return Review(recommendation=Recommendation.CONTINUE, critique=critique, mentor_notes=critique.split(": ", 1)[1])


def _addressed(observation: Observation, proposal: Decision, dimension: IdeaCategory) -> bool:
    """Tell whether a challenge toward the dimension would say nothing new.

    So it is when the proposal is about it or repeats a seed, when such a run is under way, or when one
    of the latest runs came from the mentor already.
    """
    under_way = (*observation.active_runs, *observation.staged_runs)
    about_it = proposal.idea_category in (dimension, IdeaCategory.EVALUATION) or any(
        run.idea_category == dimension.value for run in under_way
    )
    recent = (*observation.history[-FLAT_AFTER:], *under_way)
    return about_it or any("mentor" in run.proposer.lower() for run in recent)


def _is_early(space: SearchSpace, evidence: Evidence) -> bool:
    """Tell whether the planner has hardly left its start points, which are not there to improve."""
    return len(evidence.experiments) <= start_point_count(space) + FLAT_AFTER


def _is_flat(evidence: Evidence) -> bool:
    """Tell whether the latest configurations brought no gain beyond the noise over those before."""
    earlier, latest = evidence.experiments[:-FLAT_AFTER], evidence.experiments[-FLAT_AFTER:]
    if not earlier:
        return False
    old, new = max(earlier, key=evidence.score), max(latest, key=evidence.score)
    return evidence.score(new) <= evidence.score(old) or evidence.tied(new, old)


def _proposed_config(space: SearchSpace, proposal: Decision) -> dict[str, Scalar] | None:
    """Return the flat configuration that a decision carries as a run file, or None."""
    for file in proposal.run_files or ():
        if file.name == space.config_file:
            try:
                nested = None if is_bomb(file.text) else yaml.safe_load(file.text)
            except (yaml.YAMLError, ValueError, RecursionError):
                return None  # the validate step names the fault; there is nothing to compare here
            return flat_config(nested) if isinstance(nested, dict) else None
    return None


def _twin(observation: Observation, space: SearchSpace, config: dict[str, Scalar]) -> KnownRun | None:
    """Return a run of the same configuration and seed that ended with a word on it, or is under way."""
    told = [run for run in observation.history if is_measured(run) or is_own_fault(run)]
    under_way = [*observation.active_runs, *observation.staged_runs]
    proposed = space.project(config)
    seed = space.fixed.get(space.seed_key or "") if space.seed_key not in config else config[space.seed_key or ""]
    for run in reversed(told + under_way):
        params = None if run.params is None else space.project(run.params)
        if run.params is None or params is None or proposed is None or params.keys() != proposed.keys():
            continue
        near = max(space.distances(proposed, params).values()) <= TINY_DISTANCE
        same_seed = run.seed is None or seed is None or run.seed == seed
        if near and same_seed and _same_elsewhere(space, config, run.params):
            return run
    return None


def _same_elsewhere(space: SearchSpace, config: dict[str, Scalar], params: dict[str, Scalar]) -> bool:
    """Tell whether the keys that are no parameters agree, as far as both configurations have them.

    A key that the run has at another value than the base although nobody changed it in the proposal
    was resolved by the trainer and is no difference.
    """
    ours = {parameter.name for parameter in space.parameters} | {space.seed_key}
    changed = [key for key in config if key not in ours and not same_scalar(config[key], space.fixed.get(key))]
    return all(key in params and same_scalar(config[key], params[key]) for key in changed)


def _praise(observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Decision) -> str:
    best, metric = evidence.best, observation.domain.selection_metric
    if best is None:
        return f"on_track: {evidence.leader(metric)}, and {proposal.run_label} gives a value to compare with."
    since = len(evidence.experiments) - 1 - evidence.experiments.index(best)
    gain = (
        "the latest configuration leads"
        if since == 0
        else f"{since} configuration{'' if since == 1 else 's'} came since"
    )
    return (
        f"on_track: {proposal.run_label} {_novelty(observation, space, proposal)}. {evidence.leader(metric)}; {gain}."
    )


def _novelty(observation: Observation, space: SearchSpace, proposal: Decision) -> str:
    if _proposed_config(space, proposal) is None:
        return "brings no configuration to compare"
    if proposal.idea_category is IdeaCategory.EVALUATION:
        return "is about how far the results can be trusted"
    return f"repeats none of the {len(observation.history)} runs"


def _number(run: KnownRun) -> str:
    return "" if run.value is None else number_text(run.value)
