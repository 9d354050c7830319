"""Judge a decision before anything of it is carried out.

The schema has said that a decision has the right shape; the gate says whether it makes sense: fields,
repository context, forbidden approaches, the sealed test rows, and the command against the policy of
``config/command_policy.yaml``. It never rewrites what it judges, it only answers.

The gate guards against the mistakes of a model. It is no security boundary: a command that means to
get past it can, and a run has the rights of its user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llm_loop.contract.command_policy import CommandPolicy, load_policy
from llm_loop.contract.decision import Action, Decision
from llm_loop.stages.gate_rules.calls import Move
from llm_loop.stages.gate_rules.code_change import judge_code_change
from llm_loop.stages.gate_rules.fields import LONGEST_COMMAND, has_control_character, judge_fields
from llm_loop.stages.gate_rules.forbidden import judge_forbidden
from llm_loop.stages.gate_rules.own_code import judge_own_code
from llm_loop.stages.gate_rules.places import Places
from llm_loop.stages.gate_rules.run_files import LARGEST_BYTES, MOST_FILES, judge_run_files
from llm_loop.stages.gate_rules.unfolded import judge_unfolded
from llm_loop.stages.gate_rules.unfolding import Unfolder
from llm_loop.stages.gate_rules.verdict import GateContext, GateIssue, Verdict

__all__ = ["CommandPolicy", "GateContext", "GateIssue", "Verdict", "judge", "load_policy"]

_MOST_ISSUES_OF_A_CODE = 3


def judge(decision: Decision, context: GateContext) -> Verdict:
    """Judge ``decision``; reads the file system (folders, links), changes nothing, raises nothing."""
    issues = list(judge_fields(decision, context))
    if decision.action is Action.RUN_COMMAND:
        issues += judge_run_files(decision)
        issues += judge_own_code(decision, context)
        issues += judge_forbidden(decision, context.forbidden_approaches)
        if _is_readable(decision):
            issues += _judge_run(decision, context)
    if context.code is not None and decision.action is Action.RUN_COMMAND:  # a stop needs no clean checkout
        issues += judge_code_change(context.code, context, places_of(context))
    kept = _without_repeats(issues)
    return Verdict(blocked=any(issue.blocking for issue in kept), issues=kept)


def _is_readable(decision: Decision) -> bool:
    """Say whether the command is short and clean enough to be read."""
    command = decision.command
    return bool(command.strip()) and len(command) <= LONGEST_COMMAND and not has_control_character(command)


def _judge_run(decision: Decision, context: GateContext) -> Iterator[GateIssue]:
    places = places_of(context)
    folder = _working_folder(decision, places)
    unfolder = Unfolder(context.policy, places, folder or places.start)
    unfolder.command(decision.command, context.shell)
    if not unfolder.calls and not unfolder.troubles:
        yield GateIssue(
            code="run_command_empty", message="the command starts nothing", fix="give the command, or choose wait"
        )
        return
    yield from _repository_context(decision, folder, unfolder.moves, places)
    for file in (decision.run_files or ())[:MOST_FILES]:
        if len(file.text) <= LARGEST_BYTES:
            unfolder.content(file.name, file.text)
    yield from judge_unfolded(unfolder, context.policy, places)


def places_of(context: GateContext) -> Places:
    """Return the folders that matter to this decision."""
    return Places(context.workspace, context.training_repo_root, context.sealed_root, context.policy, context.checkout)


def _working_folder(decision: Decision, places: Places) -> str | None:
    """Return the real path of ``working_folder``, or None when it is not given, missing or outside."""
    if not (decision.working_folder or "").strip():
        return None
    path = places.resolve(decision.working_folder or "", places.start)
    return path if path is not None and places.is_context(path) else None


def _repository_context(
    decision: Decision, folder: str | None, moves: list[Move], places: Places
) -> Iterator[GateIssue]:
    """Yield an issue when neither ``working_folder`` nor a ``cd`` leads to a folder of the training repository."""
    if folder is not None:
        return
    given = (decision.working_folder or "").strip()
    if given:
        yield _missing(f"working_folder {given[:80]!r}", "")
    elif not moves:
        yield GateIssue(
            code="run_command_missing_repo_context",
            message="the command does not say in which folder of the training repository it runs",
            fix='set working_folder ("." is the repository itself), or begin with cd or Set-Location -LiteralPath',
        )
    elif not any(move.path is not None and places.is_context(move.path) and not move.has_wildcards for move in moves):
        hint = " (use -LiteralPath: [ ] * ? are wildcards in PowerShell)" if moves[0].has_wildcards else ""
        yield _missing(f"{moves[0].target[:80]!r}", hint)


def _missing(what: str, hint: str) -> GateIssue:
    return GateIssue(
        code="working_folder_missing",
        message=f"{what} is no folder inside the training repository",
        fix=f'name a folder that exists, relative to the training repository ("." is the repository itself){hint}',
    )


def _without_repeats(issues: Iterable[GateIssue]) -> tuple[GateIssue, ...]:
    """Keep each issue once, and a few of each code: a model needs reasons, not a list of hundreds."""
    kept: list[GateIssue] = []
    counts: dict[str, int] = {}
    for issue in dict.fromkeys(issues):
        counts[issue.code] = counts.get(issue.code, 0) + 1
        if counts[issue.code] <= _MOST_ISSUES_OF_A_CODE:
            kept.append(issue)
    return tuple(kept)
