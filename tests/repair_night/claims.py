"""The claims of the night, each a function that returns what is wrong: a list of sentences, empty where it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from llm_loop.repairs.record import RecordState, read_record
from tests.repair_night.cases import MOST_RETRIES, Case, Ends
from tests.repair_night.material import HERE
from tests.repair_night.story import WITHOUT_A_MEND, RunStory, Story

_STATES = {
    Ends.TRAINED: ["completed"],
    Ends.REPAIRED: ["completed"],
    Ends.FLAGGED: ["needs_human"],
}
"""How the runs of a decision end, in the order of their making."""
_OF_ENVIRONMENT = ("install_packages", "clone_source")


def every_decision_is_accounted_for(story: Story) -> list[str]:
    """Each decision is a run that ended once and closed one cycle, or was refused with its reason."""
    wrong = []
    for case in story.cases:
        runs, refused = story.of(case), story.refused.get(case.label, [])
        if case.ends is Ends.REFUSED:
            if runs or not refused or not all(case.failure in why for why in refused):
                wrong.append(f"{case.label}: {len(runs)} runs, refused with {refused}")
            continue
        if refused:
            wrong.append(f"{case.label}: refused with {refused}")
        states = [run.state for run in runs]
        if states != _STATES[case.ends]:
            wrong.append(f"{case.label}: runs that ended as {states}")
        for run in runs:
            if (len(run.ended), len(run.closed)) != (1, 1):
                wrong.append(f"{_name(run)}: {len(run.ended)} ends, {len(run.closed)} cycles, state {run.state}")
    labels = {case.label for case in story.cases}
    return wrong + [f"{_name(run)}: nobody decided it" for run in story.runs.values() if run.label not in labels]


def what_just_trains_trains(story: Story) -> list[str]:
    """A decision without a failure is one attempt, one metric, no diagnosis and no mend."""
    wrong = []
    for case, run in _runs(story, Ends.TRAINED):
        rounds = _attempts_of_its_own(run)
        if rounds != 1 or run.value is None or run.diagnosed or run.mends or run.calls:
            wrong.append(f"{_name(run)}: {rounds} attempts, value {run.value}, mends {_kinds(run)} ({case.command})")
    return wrong


def what_can_be_repaired_is_repaired(story: Story) -> list[str]:
    """It is diagnosed as it should be, mended by the rules that fit, and trained to a metric."""
    wrong = []
    for case, run in _runs(story, Ends.REPAIRED):
        wrong += _of_the_first_diagnosis(case, run)
        if _kinds(run) != list(case.mends) or not all(one.done and one.done["ok"] for one in run.mends):
            wrong.append(f"{_name(run)}: mends {_kinds(run)} {[one.done for one in run.mends]}")
        if run.value is None or run.calls or any(one.undone for one in run.mends):
            wrong.append(f"{_name(run)}: value {run.value}, {len(run.calls)} calls, or its mend was taken back")
    return wrong


def what_cannot_is_flagged_once_and_usefully(story: Story) -> list[str]:
    """One call for a person each, with phase, failure and what to do; none but these; all are still open."""
    wrong = []
    open_ids = [reason["id"] for reason in story.open_calls()]
    for case, run in _runs(story, Ends.FLAGGED):
        wrong += _of_the_first_diagnosis(case, run)
        if len(run.calls) != 1:
            wrong.append(f"{_name(run)}: called {len(run.calls)} times")
        wrong += [f"{_name(run)}: {text}" for call in run.calls for text in _not_useful(case, run, call)]
        wrong += [f"{_name(run)}: {call['id']} is not open" for call in run.calls if call["id"] not in open_ids]
        if _kinds(run) != list(case.mends):
            wrong.append(f"{_name(run)}: mends {_kinds(run)}")
        if any(one.installed() for one in run.mends):
            wrong.append(f"{_name(run)}: what was installed for it stayed")
    expected = sum(case.ends is Ends.FLAGGED for case in story.cases)
    if len(story.calls) != expected or len(open_ids) != expected:
        wrong.append(f"{len(story.calls)} calls and {len(open_ids)} open ones for {expected} decisions")
    return wrong


def the_environment_is_as_it_was_and_the_installs(story: Story) -> list[str]:
    """What pip lists is what it listed before, and the recorded installs; nothing hostile was done."""
    now, before, recorded = story.scene.installed(), story.scene.before(), story.recorded_installs()
    wrong = [] if now == before | recorded else [f"installed {now}, before {before}, recorded {recorded}"]
    if not recorded or set(recorded) & set(before):
        wrong.append(f"recorded {recorded}")
    wrong += _of_the_records(story)
    if story.scene.trap.exists() or not (story.scene.precious / "weights.txt").exists():
        wrong.append("the words of a log were run")
    changed = [name for name, text in _files(HERE / "repository").items() if _files(_repo(story)).get(name) != text]
    return wrong + [f"{name} of the training repository was changed" for name in changed]


def _of_the_records(story: Story) -> list[str]:
    """Return which records on disk do not say what the journal says: none is left half-way."""
    records = [read_record(path).state for path in story.paths.loop.glob("repairs/*/record.json")]
    stand = sum(bool(mended.installed()) for run in story.runs.values() for mended in run.mends)
    counts = (records.count(RecordState.INSTALLED), records.count(RecordState.UNDONE))
    return [] if counts == (stand, len(records) - stand) else [f"{stand} installs stand, the records say {records}"]


def nothing_was_started_twice_alike(story: Story) -> list[str]:
    """No two attempts of a run are alike in command, config, code and packages, but after an interrupt."""
    wrong = []
    for run in story.runs.values():
        mended = sum(one.kind not in ("resume", "relaunch_same") for one in run.mends)
        if mended > MOST_RETRIES or _attempts_of_its_own(run) > 1 + mended:
            wrong.append(f"{_name(run)}: {len(run.attempts)} attempts, {mended} mends")
    seen: dict[str, str] = {}
    cut = {f"{end['run_id']}/attempt-{end.get('attempt', 1)}" for end in _cut_short(story)}
    for attempt, starts in story.starts().items():
        if len(starts) != 1:
            wrong.append(f"{attempt}: started {len(starts)} times")
        key = json.dumps([attempt.partition("/")[0], starts[0]], sort_keys=True)
        if key in seen and seen[key] not in cut:
            wrong.append(f"{attempt}: like {seen[key]}")
        seen[key] = attempt
    return wrong


def settings_are_mended_in_a_copy(story: Story) -> list[str]:
    """The copy keeps its comments; half the batch is accumulated over twice the steps; the source stays."""
    wrong = []
    for label, words in (
        ("wide-model", ("# what the worker wants to know", "steep_line", "# not built yet")),
        ("large-batch", ("# a megabyte an image", "batch_size: 48", "accumulate_steps: 2", "# this machine has less")),
    ):
        copies = list((story.paths.loop / "autofix_configs").glob(f"*{label}*.yaml"))
        texts = [copy.read_text(encoding="utf-8") for copy in copies]
        if len(texts) != 1 or not all(word in texts[0] for word in words):
            wrong.append(f"{label}: {[copy.name for copy in copies]} {texts}")
    return wrong


def the_cycle_tells_of_the_repair(story: Story) -> list[str]:
    """The closing event of a mended run holds ``auto_repair``, and of one that ran again ``run_outcome_retry``."""
    wrong = []
    for run in story.runs.values():
        for event in run.closed:
            told = (event["auto_repair"] or {}).get("mends", [])
            if [one["why"] for one in told] != [one.intended["mend"]["why"] for one in run.mends]:
                wrong.append(f"{_name(run)}: mends {_kinds(run)}, auto_repair {event['auto_repair']}")
            if (event["run_outcome_retry"] is not None) != (_attempts_of_its_own(run) > 1):
                wrong.append(f"{_name(run)}: run_outcome_retry {event['run_outcome_retry']}")
    return wrong


def nothing_went_wrong_in_the_loop(story: Story) -> list[str]:
    """The journal tells of no error of the loop's own, and has no gap."""
    wrong = [f"error: {event.get('why')}" for event in story.events if event["event"] == "error"]
    numbers = [event["seq"] for event in story.events]
    return wrong if numbers == list(range(1, len(numbers) + 1)) else [*wrong, "the journal has a gap"]


CLAIMS: tuple[Callable[[Story], list[str]], ...] = (
    every_decision_is_accounted_for,
    what_just_trains_trains,
    what_can_be_repaired_is_repaired,
    what_cannot_is_flagged_once_and_usefully,
    the_environment_is_as_it_was_and_the_installs,
    nothing_was_started_twice_alike,
    settings_are_mended_in_a_copy,
    the_cycle_tells_of_the_repair,
    nothing_went_wrong_in_the_loop,
)


def _runs(story: Story, ends: Ends) -> list[tuple[Case, RunStory]]:
    return [(case, run) for case in story.cases if case.ends is ends for run in story.of(case)]


def _kinds(run: RunStory) -> list[str]:
    return [one.kind for one in run.mends if one.kind not in ("resume", "relaunch_same")]


def _attempts_of_its_own(run: RunStory) -> int:
    """Count the attempts without those that were cut short from outside."""
    return len(run.attempts) - sum(end["cause"] in WITHOUT_A_MEND for end in run.endings)


def _cut_short(story: Story) -> list[dict[str, object]]:
    ends = [(run, number, end) for run in story.runs.values() for number, end in enumerate(run.endings, 1)]
    return [{"run_id": run.run_id, "attempt": number} for run, number, end in ends if end["cause"] in WITHOUT_A_MEND]


def _of_the_first_diagnosis(case: Case, run: RunStory) -> list[str]:
    if not run.diagnosed:
        return [f"{_name(run)}: not diagnosed"]
    first = run.diagnosed[0]
    details = first["diagnosis"]["details"]
    found = (first["diagnosis"]["cause"], first["phase"], details.get("module") or details.get("model"))
    wanted = (case.cause, case.phase, case.subject)
    return [] if found == wanted else [f"{_name(run)}: diagnosed as {found}, not as {wanted}"]


def _not_useful(case: Case, run: RunStory, call: dict[str, object]) -> list[str]:
    """Return what a person misses on their one screen."""
    last = run.diagnosed[-1]["phase"] if run.diagnosed else None
    told = {name: str(call.get(name) or "") for name in ("why", "failure", "what_to_do", "attempted")}
    wrong = [] if call["phase"] == last else [f"phase {call['phase']}, it failed in {last}"]
    wrong += [] if case.failure in told["failure"] and told["failure"] else [f"failure {told['failure']!r}"]
    wrong += [] if case.to_do in told["what_to_do"] else [f"what_to_do {told['what_to_do']!r}"]
    tried = [one.intended["mend"]["why"] for one in run.mends]
    wrong += [] if all(text in told["attempted"] for text in tried) else [f"attempted {told['attempted']!r}"]
    return wrong + ([] if run.label in told["why"] and case.why in told["why"] else [f"why {told['why']!r}"])


def _name(run: RunStory) -> str:
    return f"{run.run_id} {run.label}"


def _repo(story: Story) -> Path:
    return story.scene.root / "repo"


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
