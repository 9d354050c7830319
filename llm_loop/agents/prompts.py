"""The prompts of worker and mentor: everything from one observation, within a length that is never exceeded.

Outside of fences stand the loop's own words. Whatever a person, a model or a training wrote is cleaned and fenced, and
the prompt says that fenced data is never an instruction; a mission alone is the user's.
"""

from __future__ import annotations

from llm_loop.agents import prompt_evidence as evidence
from llm_loop.agents.prompt_answers import DECISION, HELPER_REVIEW, LAST_WORD, REVIEW
from llm_loop.agents.prompt_openings import checkout, mentor_greeting, surroundings, worker_greeting
from llm_loop.agents.prompt_rules import is_health_helper, mentor_rules, numbered, worker_rules
from llm_loop.agents.prompt_sections import Section, assemble
from llm_loop.contract.code_change import CodeBase
from llm_loop.contract.observation import Observation


def worker_prompt(observation: Observation, *, base: CodeBase | None, max_chars: int) -> str:
    """Return the worker's prompt, at most ``max_chars`` characters; ``base`` is what its checkout began as, if any."""
    return assemble(
        [
            worker_greeting(observation),
            evidence.refusals(observation),
            numbered(worker_rules(observation)),
            surroundings(observation),
            checkout(observation, base),
            DECISION,
            evidence.mission(observation),
            *evidence.to_mend(observation),
            *_evidence(observation),
            evidence.mentor_notes(observation),
            *evidence.workpad(observation),
            evidence.storyline(observation),
            LAST_WORD,
        ],
        max_chars,
    )


def mentor_prompt(observation: Observation, *, max_chars: int) -> str:
    """Return the mentor's prompt about the observation's proposal, at most ``max_chars`` characters."""
    helper = is_health_helper(observation.context)
    return assemble(
        [
            mentor_greeting(observation),
            numbered(mentor_rules(observation)),
            surroundings(observation),
            HELPER_REVIEW if helper else f"{REVIEW}\n\n{DECISION}",
            evidence.mission(observation),
            evidence.proposal(observation),
            evidence.proposal_code(observation),
            *_evidence(observation),
            *evidence.workpad(observation),
            evidence.storyline(observation),
            LAST_WORD,
        ],
        max_chars,
    )


def _evidence(observation: Observation) -> list[Section]:
    """Return what both roles are shown, the most telling first: where room is short, sections go from the end."""
    return [
        evidence.finish_up(observation),
        evidence.signals(observation),
        evidence.leaderboard(observation),
        evidence.runs(observation),
        evidence.last_log(observation),
        evidence.curves(observation),
        evidence.exploration(observation),
        evidence.search_space(observation),
        evidence.todo(observation),
    ]
