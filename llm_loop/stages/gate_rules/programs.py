"""Apply the policy's rules to programs, redirections and calls in Python code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_loop.contract.command_policy import Area, CommandPolicy, ProgramRule, PythonRule
from llm_loop.stages.gate_rules.calls import Call, Code, matches, operand_places, operands
from llm_loop.stages.gate_rules.places import Places
from llm_loop.stages.gate_rules.verdict import GateIssue

_CMD_SWITCH = re.compile(r"/[A-Za-z?]{1,3}(:.*)?")
_PIPED = "what is piped into it"
_WRITE_FIX = "write into {run_dir}; the loop's own folders, .git and devices stay as they are"


class ProgramRules:
    """Judge calls by the policy; the rules of each program are looked up once."""

    def __init__(self, policy: CommandPolicy, places: Places) -> None:
        self.policy = policy
        self.places = places
        self._rules: dict[str, tuple[ProgramRule, ...]] = {}

    def judge(self, call: Call) -> Iterator[GateIssue]:
        """Yield what the policy has against one call."""
        if call.program:
            for rule in self._rules_of(call.program):
                yield from self._apply(rule, call)
        yield from self._writes(call)

    def judge_code(self, code: Code) -> Iterator[GateIssue]:
        """Yield what the policy has against calls in Python code."""
        for one in code.facts.calls:
            for rule in self.policy.python:
                if not matches(rule.calls, one.name):
                    continue
                if rule.targets_within is None:
                    yield _issue(rule, one.name, "")
                elif one.has_target and one.target is not None:
                    path = self.places.resolve(one.target, code.folder)
                    if path is not None and not self.places.lies_within(path, rule.targets_within):
                        yield _issue(rule, one.name, one.target)

    def _rules_of(self, program: str) -> tuple[ProgramRule, ...]:
        if program not in self._rules:
            self._rules[program] = tuple(
                rule for rule in self.policy.programs if matches(rule.programs, program, folds_case=True)
            )
        return self._rules[program]

    def _apply(self, rule: ProgramRule, call: Call) -> Iterator[GateIssue]:
        if not _holds(rule, call):
            return
        if rule.targets_within is None:
            yield _issue(rule, call.program, "")
            return
        targets = _targets(rule, call)
        if not targets and call.fed and rule.targets_within is Area.REMOVABLE:
            yield _issue(rule, call.program, _PIPED)
            return
        for target in targets:
            path = self.places.resolve(target, call.folder)
            if not self.places.lies_within(path, rule.targets_within):
                yield _issue(rule, call.program, target)

    def _writes(self, call: Call) -> Iterator[GateIssue]:
        """Yield an issue for each redirection or output option that leads into a protected place."""
        targets = [one.target for one in call.redirects if one.writes]
        targets += _option_values(call, self.policy.writing_options)
        for target in targets:
            if not self.places.lies_within(self.places.resolve(target, call.folder), Area.UNPROTECTED):
                yield GateIssue(
                    code="destructive_command", message=f"the command would write to {target[:80]!r}", fix=_WRITE_FIX
                )


def _holds(rule: ProgramRule, call: Call) -> bool:
    """Say whether all conditions of a rule, its targets apart, hold."""
    folds = call.folds_case
    if rule.only_when_unfed and call.fed:
        return False
    if rule.any_argument and not any(matches(rule.any_argument, one, folds_case=folds) for one in call.arguments):
        return False
    if any(matches(rule.unless_argument, one, folds_case=folds) for one in call.arguments):
        return False
    places = list(operand_places(call.arguments, rule.options_with_value, folds_case=folds))
    if rule.max_operands is not None and len(places) > rule.max_operands:
        return False
    if rule.first_operand and not (places and matches(rule.first_operand, call.arguments[places[0]], folds_case=folds)):
        return False
    leading = call.arguments[: places[0]] if places else call.arguments
    return not rule.leading_options or any(matches(rule.leading_options, one, folds_case=folds) for one in leading)


def _targets(rule: ProgramRule, call: Call) -> list[str]:
    found = operands(call.arguments, rule.options_with_value, folds_case=call.folds_case)
    if rule.first_operand:
        found = found[1:]
    if call.folds_case:
        found = [part for one in found for part in one.split(",") if part and not _CMD_SWITCH.fullmatch(one)]
        if named := _option_values(call, ("-destination",)):
            return named if rule.targets == "last" else [*found, *named]
    return found[-1:] if rule.targets == "last" else found


def _option_values(call: Call, options: tuple[str, ...]) -> list[str]:
    """Return the values of options given as ``--name value``, ``--name=value`` or ``-Name:value``."""
    values: list[str] = []
    wanted = {option.lower() for option in options} if call.folds_case else set(options)
    for index, word in enumerate(call.arguments):
        if not word.startswith("-"):
            continue
        name, joint, value = word.partition("=" if "=" in word else ":")
        if (name.lower() if call.folds_case else name) in wanted:
            values += [value] if joint else call.arguments[index + 1 : index + 2]
    return values


def _issue(rule: ProgramRule | PythonRule, program: str, target: str) -> GateIssue:
    shown = target if target == _PIPED else repr(target[:80])
    if target.startswith("$"):
        shown = f"{target[:80]!r}, which cannot be told from the command"
    text = rule.message.replace("{program}", program).replace("{target}", shown)
    return GateIssue(code=rule.code, message=text, fix=rule.fix)
