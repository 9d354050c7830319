"""Find the command that another program starts: ``env X=1 cmd``, ``timeout 10 cmd``, ``find -exec cmd``."""

from __future__ import annotations

from itertools import islice

from llm_loop.contract.command_policy import Wrapper
from llm_loop.stages.gate_rules.calls import UNKNOWN, Call, matches, operand_places

_STARTS_PROCESS = ("start-process", "saps")
_MOST_STARTING_FOLDERS = 8


def wrapped_command(call: Call, wrapper: Wrapper) -> list[str]:
    """Return the words of the command that ``call`` starts; empty when it starts none.

    The wrapper's own options, operands and assignments are passed over. A wrapper that adds targets
    of its own, as ``xargs`` does, gives a last word that cannot be told.
    """
    rest = list(call.arguments)
    if rest and matches(wrapper.unless_argument, rest[0]):
        return []
    if wrapper.first_operand:
        first = next(operand_places(rest, wrapper.options_with_value), None)
        if first is None or rest[first] not in wrapper.first_operand:
            return []
        rest = rest[first + 1 :]
    places = operand_places(rest, wrapper.options_with_value, folds_case=call.folds_case)
    plain = (place for place in places if "=" not in rest[place].partition("/")[0])
    program = next(islice(plain, wrapper.skips_operands, None), None)
    if program is None:
        return []
    words = rest[program:]
    if call.program in _STARTS_PROCESS:
        words = [part for word in words if word.lower() != "-argumentlist" for part in word.split(",") if part]
    return [*words, UNKNOWN] if wrapper.adds_unknown_targets else words


def found_commands(call: Call) -> list[list[str]]:
    """Return the commands of ``find -exec``, once for each starting folder: what it finds lies below."""
    words = call.arguments
    begin = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    starts = words[: min(begin, _MOST_STARTING_FOLDERS)] or (".",)
    commands: list[list[str]] = []
    index = begin
    while index < len(words):
        if words[index] in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((place for place in range(index + 1, len(words)) if words[place] in (";", "+")), len(words))
            named = words[index + 1 : end]
            found = [[one.replace("{}", f"{start}/found") for one in named] for start in starts if named]
            commands += [one for one in found if one not in commands]
            index = end
        index += 1
    return commands
