"""The sentences that story, paper and page share: who won, by how much, and what of that is known."""

from __future__ import annotations

from llm_loop.contract.final_test import FinalTestResult, ScoreSource
from llm_loop.memory.comparison import Comparison
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Entry
from llm_loop.memory.leaderboard_text import value_text
from llm_loop.report.document import Code, Piece, Strong, Text
from llm_loop.report.facts import Facts
from llm_loop.report.judgement import in_words, judged_by
from llm_loop.report.verdict import Verdict
from llm_loop.views.untrusted import clean, dict_of, whole_of
from llm_loop.views.wording import number

_LABEL_CHARACTERS = 80
_TEST_FILE = "final_test_result.json"
NOTHING_YET = "No run has a result yet, so there is nothing to rank."


def counted(count: int, what: str) -> str:
    """Return ``1 run``, ``2,000 runs``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def label_of(text: str) -> Code:
    """Return a run's label, which somebody else chose."""
    return Code(clean(text, _LABEL_CHARACTERS))


def headline(verdict: Verdict) -> str:
    """Say in a few words whether there is a winner."""
    if verdict.tied:
        return f"leads, tied with {counted(len(verdict.tied), 'other configuration')}"
    if verdict.against_second is None:
        return "is the only configuration that ranks"
    return "leads, by what may be noise" if verdict.against_second.tied is None else "won"


def winner(verdict: Verdict) -> list[Piece]:
    """Say which model it is and what it came to."""
    best, run = verdict.best, verdict.run
    model = f", model {clean(best.model, 60)}" if best.model else ""
    which = (
        run.run_id if len(best.run_ids) == 1 else f"{run.run_id}, the best of its {counted(len(best.run_ids), 'run')}"
    )
    score = f"{clean(best.metric, 60)} {value_text(best)}"
    return [label_of(best.label), f" {headline(verdict)} ({which}{model}): ", Strong(score), f", {seeds_of(best)}."]


def seeds_of(entry: Entry) -> str:
    """Say what a value stands on."""
    if entry.sd is not None:
        return f"mean and standard deviation over {entry.seeds} seeds"
    return "one seed, with the 95 % interval of the run itself" if entry.interval else "one seed, no interval known"


def against_first(verdict: Verdict) -> list[Piece]:
    """Say how much the search gained over its first run."""
    found = verdict.against_first
    if found is None:
        return ["The first run has the best configuration: nothing that was tried after it came out ahead."]
    first: list[Piece] = ["Against the first run, ", f"{verdict.first.run_id} ", label_of(verdict.first.label)]
    return [*first, *_difference(found), *_of_budget(verdict)]


def _of_budget(verdict: Verdict) -> list[Piece]:
    """Say that the winner was trained longer or shorter than the first run: that is a part of the difference."""
    ours, theirs = (_epochs(row) for row in (verdict.run, verdict.first))
    if ours is None or theirs is None or ours == theirs:
        return []
    return [
        f" It had a budget of {ours:,} epochs, the first run one of {theirs:,}: what that did is not told apart from"
        " what the configuration did."
    ]


def _epochs(row: HistoryRow) -> int | None:
    return None if row.result is None else whole_of(dict_of(row.result.budget).get("epochs"))


def against_second(verdict: Verdict) -> list[Piece]:
    """Say how far the winner is ahead of the next."""
    found = verdict.against_second
    if found is None:
        return ["There is no second configuration to compare it with."]
    if verdict.second_is_first:
        return ["The second place is that first run."]
    second: list[Piece] = ["Against the second place, ", f"{found.first.run_ids[0]} ", label_of(found.first.label)]
    return [*second, *_difference(found)]


def _difference(found: Comparison) -> list[Piece]:
    if found.gain == 0:
        return [f" ({value_text(found.first)}): ", Strong("equal"), "."]
    value = f" ({value_text(found.first)}): better by {abs(found.gain):.3g}, "
    return [value, Strong(in_words(found)), f" ({judged_by(found)})."]


def selected(configurations: int) -> str:
    """Say what a validation score of the best of many is worth."""
    if configurations == 1:
        return "The score is the training's own, on validation data."
    return (
        f"Scores are the trainings' own, on validation data; the first of {configurations:,} configurations was chosen "
        "by them, so it looks better than it is. By how much, only fresh data tells."
    )


def tested(facts: Facts, verdict: Verdict | None) -> Text:
    """Say what is known of the sealed test rows."""
    if facts.test_problem is not None:
        return [Strong("There is no test result that can be believed: "), facts.test_problem]
    if facts.test is None:
        return [
            Strong("There is no test result."),
            f" No {_TEST_FILE} is there, so nothing here says how the winner does on images that took no part in the"
            " search.",
        ]
    whose = (
        "" if verdict is not None and facts.test.run_id in verdict.best.run_ids else " This is not the winner above."
    )
    by = "the reference trainer" if facts.test.source is ScoreSource.TRAINER else "the repository's test_command"
    return [
        f"On the sealed test rows {facts.test.run_id} has ",
        Strong(f"{clean(facts.test.metric, 60)} {test_value(facts.test)}"),
        f", told by {by}, opened {facts.test.opened_utc}.{whose} {_unseen(facts.test.opening)}",
    ]


def _unseen(opening: int | None) -> str:
    """Say whether the rows were unseen: whoever looks again knows what the first look told."""
    if opening is None:
        return "Whether these rows were looked at before is not recorded."
    if opening == 1:
        return "Nobody had looked at these rows before; they took no part in any choice."
    return f"This was look number {opening} at these rows: they are no longer unseen."


def test_value(test: FinalTestResult) -> str:
    """Write a test result with what is known of its noise."""
    interval = "" if test.interval is None else f" [{test.interval[0]:.3g}, {test.interval[1]:.3g}]"
    return f"{number(test.value)}{interval}" + ("" if test.n is None else f" (n = {test.n:,})")
