"""Judge everything that a command or a file came to, once it is unfolded."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.contract.command_policy import CommandPolicy
from llm_loop.stages.gate_rules.places import Places
from llm_loop.stages.gate_rules.programs import ProgramRules
from llm_loop.stages.gate_rules.sealed import SealedCheck
from llm_loop.stages.gate_rules.unfolding import Unfolder
from llm_loop.stages.gate_rules.verdict import GateIssue


def judge_unfolded(unfolder: Unfolder, policy: CommandPolicy, places: Places) -> Iterator[GateIssue]:
    """Yield what the policy and the seal have against everything that was unfolded."""
    programs = ProgramRules(policy, places)
    sealed = SealedCheck(policy.sealed, places, policy.text_programs)
    yield from unfolder.troubles
    for call in dict.fromkeys(unfolder.calls):
        yield from programs.judge(call)
        yield from sealed.judge_call(call)
    for code in unfolder.codes:
        yield from programs.judge_code(code)
        yield from sealed.judge_code(code)
    for text in unfolder.texts:
        yield from sealed.judge_text(text)
