"""The worker without an LLM: a baseline first, then one experiment after another, from the evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from llm_loop.agents.builtin_housekeeping import housekeeping
from llm_loop.agents.evidence import Evidence, gather
from llm_loop.agents.final_round import final_reason, final_round, in_final_training
from llm_loop.agents.parameter import Scalar
from llm_loop.agents.planner import Kind, Proposal, next_experiment
from llm_loop.agents.search_space import SearchSpace, parse_search_space
from llm_loop.agents.wording import category, changes_text, number_text, run_label, same_label, unused_label
from llm_loop.contract.decision import Action, Decision, Housekeeping, IdeaCategory, RunFile
from llm_loop.contract.observation import Observation
from llm_loop.contract.result import Direction
from llm_loop.errors import ConfigError

BASELINE_LABEL = "baseline"
SHORTEST_MONITOR_SECONDS = 15


def decide(observation: Observation) -> Decision:
    """Return the next decision; the same observation gives the same one.

    Raises ConfigError when the search space cannot be used.
    """
    space = read_space(observation)
    if _bootstrap_is_due(observation) and not in_final_training(observation):
        return _bootstrap(observation)
    if space is None:
        return _wait(observation, "No search space is configured, so the built-in planner has nothing to vary.")
    evidence = gather(observation, space)
    if in_final_training(observation):
        return _final(observation, space, evidence)
    if _baseline_is_due(observation, evidence):
        return experiment_decision(observation, space, evidence, Proposal(kind=Kind.BASELINE, params={}, changes={}))
    proposal = next_experiment(space, evidence, observation.seed, refused=len(observation.refusals))
    if proposal is None:
        return _wait(observation, "Every configuration of the search space has been tried, with seeds repeated.")
    return experiment_decision(observation, space, evidence, proposal)


def _final(observation: Observation, space: SearchSpace, evidence: Evidence) -> Decision:
    """Return the final round: the best configuration once more, as long as time allows."""
    proposal = final_round(space, evidence, observation)
    if isinstance(proposal, str):
        return _wait(observation, proposal)
    return experiment_decision(observation, space, evidence, proposal)


def read_space(observation: Observation) -> SearchSpace | None:
    """Return the observation's checked search space, or None where there is none. Raises ConfigError."""
    if observation.search_space is None:
        return None
    space = parse_search_space(observation.search_space, observation.base_config)
    if observation.base_config is None:
        raise ConfigError(f"the search space file: base_config: {space.base_config} was not found or not read")
    return space


def experiment_decision(
    observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Proposal
) -> Decision:
    """Put a proposal into a decision that carries its whole trainer configuration."""
    changes = dict(proposal.changes)
    if proposal.seed is not None and space.seed_key is not None:
        changes[space.seed_key] = proposal.seed
    text = yaml.safe_dump(space.trial_config(changes), sort_keys=False, allow_unicode=True)
    return Decision(
        action=Action.RUN_COMMAND,
        rationale=_rationale(observation, space, evidence, proposal),
        command=space.command,
        run_label=_label(observation, space, evidence, proposal),
        idea_category=_category(space, evidence, proposal),
        monitor_seconds=_monitor_seconds(observation),
        housekeeping=housekeeping(observation, space, evidence),
        working_folder=space.working_folder,
        run_files=(RunFile(name=space.config_file, text=text),),
    )


def alternative(
    observation: Observation, space: SearchSpace, evidence: Evidence, avoid: Sequence[Mapping[str, Scalar]]
) -> Decision | None:
    """Return another experiment than those to avoid, or None when there is none."""
    proposal = next_experiment(space, evidence, observation.seed, avoid=avoid)
    return None if proposal is None else experiment_decision(observation, space, evidence, proposal)


def _bootstrap_is_due(observation: Observation) -> bool:
    """Tell whether the configured first command is to be run: pending, not under way, not refused just now."""
    first = observation.bootstrap
    under_way = any(same_label(run.label, first.label) for run in (*observation.active_runs, *observation.staged_runs))
    return first.pending and bool(first.command) and not under_way and not observation.refusals


def _baseline_is_due(observation: Observation, evidence: Evidence) -> bool:
    """Tell whether the unchanged base configuration is to be run: first of all, or while one is asked for."""
    runs = (*observation.history, *evidence.pending_runs)
    tried = any(same_label(run.label, BASELINE_LABEL) for run in evidence.pending_runs)
    asked_for = not runs or (observation.bootstrap.pending and not observation.bootstrap.command)
    return asked_for and not tried and not observation.refusals


def _bootstrap(observation: Observation) -> Decision:
    metric = observation.domain.selection_metric
    return Decision(
        action=Action.RUN_COMMAND,
        rationale=f"Baseline first: the configured command as it is, so that every later run has a {metric} to beat.",
        command=observation.bootstrap.command,
        run_label=observation.bootstrap.label,
        idea_category=IdeaCategory.EVALUATION,
        monitor_seconds=_monitor_seconds(observation),
        housekeeping=Housekeeping(),
        working_folder=".",
    )


def _wait(observation: Observation, reason: str) -> Decision:
    return Decision(action=Action.WAIT, rationale=reason, monitor_seconds=_monitor_seconds(observation))


def _monitor_seconds(observation: Observation) -> int:
    return max(SHORTEST_MONITOR_SECONDS, observation.default_monitor_seconds)


def _reference(space: SearchSpace, evidence: Evidence) -> Mapping[str, Any]:
    """Return what a proposal is compared with: the best experiment, else the base configuration."""
    best = evidence.best
    return best.params if best is not None else {p.name: space.fixed[p.name] for p in _usable_base(space)}


def _usable_base(space: SearchSpace) -> list[Any]:
    return [p for p in space.parameters if p.name in space.fixed and p.accepts(space.fixed[p.name])]


def _category(space: SearchSpace, evidence: Evidence, proposal: Proposal) -> IdeaCategory:
    if proposal.kind in (Kind.BASELINE, Kind.SEED_REPEAT, Kind.FINAL):
        return IdeaCategory.EVALUATION
    return category(space, proposal.params, _reference(space, evidence))


def _label(observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Proposal) -> str:
    used = {run.label for run in (*observation.history, *evidence.pending_runs)}
    if proposal.kind is Kind.BASELINE:
        return unused_label(BASELINE_LABEL, used)
    if proposal.kind is Kind.SEED_REPEAT and proposal.repeats is not None:
        first = re.sub(r"-seed\d+$", "", proposal.repeats.runs[0].label)
        return unused_label(f"{first[:40]}-seed{proposal.seed}", used)
    if proposal.kind is Kind.FINAL:
        return unused_label(f"final-{proposal.repeats.runs[0].label[:40]}", used) if proposal.repeats else "final"
    return run_label(space, proposal.params, _reference(space, evidence), used)


def _rationale(observation: Observation, space: SearchSpace, evidence: Evidence, proposal: Proposal) -> str:
    better = "higher" if evidence.direction is Direction.MAX else "lower"
    leader = evidence.leader(observation.domain.selection_metric)
    return f"{leader}; {better} is better. {_reason(space, evidence, proposal)}"


def _reason(space: SearchSpace, evidence: Evidence, proposal: Proposal) -> str:
    if proposal.kind is Kind.BASELINE:
        return f"Baseline first: {space.base_config} unchanged, so that every later run has a value to beat."
    if proposal.kind is Kind.SEED_REPEAT and proposal.repeats is not None:
        return _repeat_reason(evidence, proposal)
    if proposal.kind is Kind.FINAL and proposal.repeats is not None:
        return final_reason(space, proposal, proposal.repeats)
    against = "the best" if evidence.best is not None else "the base configuration"
    changes = f"against {against} it changes {changes_text(space, proposal.params, _reference(space, evidence))}."
    if proposal.kind is Kind.START_POINT:
        return f"Explore: start point {proposal.place} of {proposal.places}, spread over the search space; {changes}"
    if proposal.kind is Kind.NEGLECTED and proposal.repeats is not None:
        return f"Vary one neglected dimension around {proposal.repeats.name}; {changes}"
    if not evidence.experiments:
        return f"No run has told its configuration and value, so this is a random draw; {changes}"
    return f"Exploit: a model (TPE) of {len(evidence.experiments)} measured configurations proposes this; {changes}"


def _repeat_reason(evidence: Evidence, proposal: Proposal) -> str:
    repeated = proposal.repeats
    assert repeated is not None
    count = len(repeated.runs)
    spread = "not known yet" if evidence.noise is None else f"{number_text(evidence.noise)} so far"
    return (
        f"Before more is built on it, {repeated.name} (measured {count} time{'s' if count > 1 else ''}) is repeated "
        f"with seed {proposal.seed}: the spread between seeds is {spread}, and ties inside it are ties."
    )
