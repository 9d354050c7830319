"""Judge the fields of a decision, its command apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from llm_loop.contract.decision import Action, Decision
from llm_loop.repairs.allowed import for_request
from llm_loop.repairs.refusal import RepairRefused
from llm_loop.stages.gate_rules.verdict import GateContext, GateIssue

SHORTEST_RATIONALE = 20
LONGEST_COMMAND = 16_000
LONGEST_LABEL = 120
MOST_STOP_PATTERNS = 8
MOST_NEW_TODOS = 2
MOST_RESOLVED_TODOS = 6
MOST_PACKAGES = 30
"""As many as one install takes."""

_WORD = re.compile(r"[^\W\d_]+")
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def judge_fields(decision: Decision, context: GateContext) -> Iterator[GateIssue]:
    """Yield what is wrong with the fields.

    A stop and a shutdown are never held up by a short rationale or by housekeeping: those are noted.
    """
    urgent = decision.action in (Action.STOP_CURRENT_RUN, Action.SHUTDOWN_DAEMON)
    yield from _rationale(decision, blocking=not urgent)
    yield from _housekeeping(decision, blocking=not urgent)
    yield from _packages(decision, context, blocking=not urgent)
    if decision.action is Action.STOP_CURRENT_RUN:
        yield from _target(decision, context)
    if decision.action is Action.RUN_COMMAND:
        yield from _command_text(decision)
        yield from _label(decision, context)
        yield from _stop_patterns(decision)
        yield from _builds_on(decision, context)


def _rationale(decision: Decision, *, blocking: bool) -> Iterator[GateIssue]:
    length = len(decision.rationale.strip())
    if length < SHORTEST_RATIONALE:
        yield GateIssue(
            code="rationale_too_short",
            message=f"the rationale has {length} characters; at least {SHORTEST_RATIONALE} are needed",
            fix="say in a sentence why this action, from the evidence at hand",
            blocking=blocking,
        )


def _housekeeping(decision: Decision, *, blocking: bool) -> Iterator[GateIssue]:
    kept = decision.housekeeping
    given = (*kept.todo_new, kept.notes_update, kept.data_exploration_update, *kept.resolve_shared_todo_ids)
    if not any(text.strip() for text in given):
        yield GateIssue(
            code="housekeeping_empty",
            message="housekeeping adds nothing to the workpad or the shared TODO",
            fix="note what was learned in notes_update",
            blocking=False,
        )
    if len(kept.todo_new) > MOST_NEW_TODOS or len(kept.resolve_shared_todo_ids) > MOST_RESOLVED_TODOS:
        yield GateIssue(
            code="too_many_todo",
            message=f"{len(kept.todo_new)} new and {len(kept.resolve_shared_todo_ids)} resolved TODO entries",
            fix=f"at most {MOST_NEW_TODOS} in todo_new and {MOST_RESOLVED_TODOS} in resolve_shared_todo_ids",
            blocking=blocking,
        )


def _packages(decision: Decision, context: GateContext, *, blocking: bool) -> Iterator[GateIssue]:
    wanted = decision.install_packages or ()
    if len(wanted) > MOST_PACKAGES:
        yield GateIssue(
            code="too_many_packages",
            message=f"{len(wanted)} packages to install; at most {MOST_PACKAGES} are allowed",
            fix="name the packages that this run imports; what they need themselves comes with them",
            blocking=blocking,
        )
    try:
        for_request(wanted, context.sources)
    except RepairRefused as refused:
        yield GateIssue(
            code="install_packages_not_allowed",
            message=str(refused),
            fix="set install_packages to null, or name packages that the training repository's requirements declare",
            blocking=blocking,
        )


def _target(decision: Decision, context: GateContext) -> Iterator[GateIssue]:
    active = ", ".join(context.active_run_ids)
    if not context.active_run_ids:
        yield GateIssue(
            code="no_active_run",
            message="no run is active: there is nothing to stop",
            fix="decide anew",
            blocking=False,
        )
    elif decision.target_run_id is None and len(context.active_run_ids) > 1:
        yield GateIssue(
            code="target_run_ambiguous",
            message=f"several runs are active: {active}",
            fix="name the one to stop in target_run_id",
        )
    elif decision.target_run_id is not None and decision.target_run_id not in context.active_run_ids:
        yield GateIssue(
            code="target_run_unknown",
            message=f"run {decision.target_run_id!r} is not active",
            fix=f"name one of {active} in target_run_id",
        )


def _command_text(decision: Decision) -> Iterator[GateIssue]:
    if not decision.command.strip():
        yield GateIssue(
            code="run_command_empty", message="run_command has no command", fix="give the command, or choose wait"
        )
    if len(decision.command) > LONGEST_COMMAND:
        yield GateIssue(
            code="command_too_long",
            message=f"the command has {len(decision.command):,} characters; at most {LONGEST_COMMAND:,} are allowed",
            fix="move long texts into run_files and name them {run_dir}/name",
        )
    label_and_patterns = "\n".join((decision.run_label.replace("\n", "\0"), *decision.stop_patterns))
    for name, text in (("command", decision.command), ("run_label or stop_patterns", label_and_patterns)):
        if has_control_character(text):
            yield GateIssue(
                code="control_character",
                message=f"{name} holds a control character",
                fix="use printable text; line breaks and tabs are allowed in the command alone",
            )


def has_control_character(text: str) -> bool:
    """Say whether ``text`` holds a character that a shell, a file or a reader may stumble over.

    Line breaks and tabs are fine; NUL, other control characters, lone surrogates and characters that
    turn the direction of writing are not.
    """
    plain = text.replace("\r\n", "\n").replace("\n", " ").replace("\t", " ")
    if plain.isprintable():
        return False
    return any(unicodedata.category(char) in ("Cc", "Cs") or char in _BIDIRECTIONAL for char in plain)


def _label(decision: Decision, context: GateContext) -> Iterator[GateIssue]:
    words = [word.lower() for word in _WORD.findall(decision.run_label)]
    if all(word in context.policy.generic_labels for word in words):
        yield GateIssue(
            code="run_label_generic",
            message=f"the label {decision.run_label!r} does not say what is tried",
            fix="name the idea in a few words, such as mixup_alpha_02",
        )
    if len(decision.run_label) > LONGEST_LABEL:
        yield GateIssue(
            code="run_label_too_long",
            message=f"the label has {len(decision.run_label)} characters; at most {LONGEST_LABEL} are allowed",
            fix="name the idea in a few words, such as mixup_alpha_02",
        )


def _stop_patterns(decision: Decision) -> Iterator[GateIssue]:
    if len(decision.stop_patterns) > MOST_STOP_PATTERNS:
        yield GateIssue(
            code="too_many_stop_patterns",
            message=f"{len(decision.stop_patterns)} stop patterns; at most {MOST_STOP_PATTERNS} are allowed",
            fix="keep those that mean a broken run",
        )
    if any(not pattern.strip() for pattern in decision.stop_patterns):
        yield GateIssue(
            code="stop_pattern_empty",
            message="a blank stop pattern is found in every output and would end the run at once",
            fix="leave the blank pattern out",
        )


def _builds_on(decision: Decision, context: GateContext) -> Iterator[GateIssue]:
    known = context.known_run_ids.union(context.active_run_ids)
    if unknown := [run_id for run_id in decision.builds_on if run_id not in known]:
        yield GateIssue(
            code="builds_on_unknown",
            message=f"no such run, or it left no result to build on: {', '.join(map(repr, unknown[:5]))}",
            fix="name run ids of the history in builds_on, or leave it empty",
        )
