"""Find approaches that the configuration forbids, by whole words and never by substring."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_loop.contract.decision import Decision
from llm_loop.stages.gate_rules.verdict import GateIssue

_TOKEN = re.compile(r"\w+")


def judge_forbidden(decision: Decision, approaches: tuple[str, ...]) -> Iterator[GateIssue]:
    """Yield an issue for each approach named in the command, the label or a run file."""
    texts = [("the command", decision.command), ("the label", decision.run_label)]
    for file in decision.run_files or ():
        texts.append((f"run file {file.name[:80]!r}", f"{file.name}\n{file.text}"))
    yield from forbidden_in(texts, approaches)


def forbidden_in(texts: Sequence[tuple[str, str]], approaches: tuple[str, ...]) -> Iterator[GateIssue]:
    """Yield an issue for each approach named in one of ``texts``, which are pairs of a name and a text."""
    for approach in approaches:
        pattern = word_pattern(approach)
        place = next((where for where, text in texts if pattern is not None and pattern.search(text)), None)
        if place is not None:
            yield GateIssue(
                code="forbidden_approach",
                message=f"{place} uses {approach!r}, which forbidden_approaches rules out",
                fix="choose another approach",
            )


def word_pattern(approach: str) -> re.Pattern[str] | None:
    """Compile what finds ``approach``: its words in a row, in any case; None when it has no word.

    Words are letters, digits and ``_``. Blanks, hyphens, dots and underscores between the words of a
    phrase are all alike: ``nn-u-net`` finds ``nn_u_net``. A ``*`` at the end allows any ending.
    """
    words = [re.escape(part) for token in _TOKEN.findall(approach) for part in token.split("_") if part]
    if not words:
        return None
    phrase = r"[\W_]{1,3}".join(words)
    ending = r"\w*" if approach.rstrip().endswith("*") else ""
    return re.compile(rf"(?<!\w){phrase}{ending}(?!\w)", re.IGNORECASE)
