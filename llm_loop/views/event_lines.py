"""One plain line for each event of the journal that people want to hear of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_loop.contract.run import FAILED
from llm_loop.memory.journal import Event
from llm_loop.memory.queue import approval_words
from llm_loop.views.alarms import alarm_of
from llm_loop.views.decisions import LABEL_CHARACTERS, Endings, mentor_word, of_cycle_event, refusals_of
from llm_loop.views.procedure_lines import PROCEDURE_LINES
from llm_loop.views.untrusted import dict_of, list_of, text_of, texts_of, whole_of
from llm_loop.views.wording import against, gate_of, local_time, mentor_of, outcome_of

_TEXT_CHARACTERS = 300
_MOST_REASONS = 4
_ASKED = {"queue_add": "queues", "cancel": "cancels", "approve": "approves", "reject": "rejects", "resolve": "resolves"}
_AGAINST = {"contract": "unusable answer", "call": "failed call"}


class EventLines:
    """Turn events into lines; remembers the labels of runs, which most events leave out."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        self._endings = Endings()

    def of(self, event: Event) -> list[str]:
        """Return the lines of one event, each with its local time; [] for what nobody needs to hear of."""
        self._endings.follow(event)
        tell, of_run = _TELL.get(event["event"]), PROCEDURE_LINES.get(event["event"])
        alarm = alarm_of(event)
        lines = tell(self, event) if tell is not None else []
        lines += [] if of_run is None else of_run(self.name(event), event)
        lines += [] if alarm is None else [f"ALARM {alarm.text}"]
        return [f"{local_time(event.get('ts_utc'))} {line}" for line in lines]

    def staged(self, event: Event) -> list[str]:
        """Tell who decided what, and what gate and mentor said."""
        run = dict_of(event.get("run"))
        record = dict_of(run.get("cycle_record"))
        run_id, label = text_of(run.get("run_id"), 40) or "a run", text_of(run.get("label"), LABEL_CHARACTERS) or "?"
        self._labels[run_id] = label
        words = against(refusals_of(list_of(record.get("proposals"))))
        gate = "gate passed" + (f" ({words} before)" if words else "")
        category = text_of(dict_of(run.get("decision")).get("idea_category"), 40)
        mentor = mentor_of(mentor_word(record.get("review")))
        repairs = text_of(run.get("repair_of"), 40)
        label_for = label if repairs is None else f"{label}, to mend {repairs}"
        line = (
            f"{_cycle(event)} decided {label_for} ({category}) by {text_of(run.get('proposer'), 40)}: {gate}; {mentor}"
        )
        waits = run.get("approval") == "waiting"
        return [line, *([f"{run_id} {label} waits for {approval_words(run_id)}"] if waits else [])]

    def review(self, event: Event) -> list[str]:
        """Tell the mentor's word, and what the gate said of its own decision."""
        word = mentor_word(event.get("record"))
        why = "" if word is None else word.critique or word.error or ""
        lines = [f"{_cycle(event)} {mentor_of(word)}" + (f": {why}" if why else "")]
        return lines + refused(event, dict_of(event.get("suggestion")))

    def intended(self, event: Event) -> list[str]:
        """Remember label and attempt; the start itself is told when it has happened."""
        run_id = text_of(event.get("run_id"), 40) or "a run"
        self._labels[run_id] = text_of(event.get("label"), LABEL_CHARACTERS) or "?"
        self._attempts[run_id] = whole_of(dict_of(event.get("attempt")).get("number")) or 1
        return []

    def started(self, event: Event) -> list[str]:
        """Tell the start of an attempt."""
        attempt = self._attempts.get(str(event.get("run_id")))
        return [f"{self.name(event)} started" + (f" (attempt {attempt})" if attempt is not None else "")]

    def closed(self, event: Event) -> list[str]:
        """Tell what a cycle came to."""
        decision = of_cycle_event(event, self._endings.take(event))
        if decision.run_id is not None:
            why = f": {decision.detail}" if decision.outcome in FAILED and decision.detail else ""
            return [f"{decision.run_id} {decision.label} {outcome_of(decision)}{why}"]
        return [f"{_cycle(event)} {outcome_of(decision)}; {gate_of(decision)}; {mentor_of(decision.mentor)}"]

    def answered(self, event: Event) -> list[str]:
        """Tell what a person asked, and that it was refused where it was."""
        asked = _ASKED.get(str(event.get("request")), "asks something")
        runs = ", ".join(self.name({"run_id": run_id}) for run_id in texts_of(event.get("run_ids"), 40))
        about = runs or ", ".join(texts_of(event.get("reasons"), 40))
        if not event.get("accepted"):
            why = "; ".join(texts_of(event.get("why"), _TEXT_CHARACTERS)[:_MOST_REASONS]) or "no reason given"
            return [f"a person {asked}, refused: {why}"]
        reason = text_of(event.get("stop_reason"), _TEXT_CHARACTERS)
        note = "" if reason is None or ": " not in reason else f": {reason.partition(': ')[2]}"
        return [f"a person {asked} {about}{note}"]

    def name(self, event: Event) -> str:
        """Return id and label of the event's run."""
        run_id = text_of(event.get("run_id"), 40) or "a run"
        return f"{run_id} {self._labels[run_id]}" if run_id in self._labels else run_id


def refused(event: Event, record: dict[str, Any]) -> list[str]:
    """Tell why a proposal was refused, and the mend; [] when it was not."""
    label = text_of(dict_of(record.get("decision")).get("run_label"), LABEL_CHARACTERS)
    whose = "the mentor's " if record.get("source") == "mentor_suggested" else ""
    lines = []
    for refusal in refusals_of([record]):
        what = _AGAINST.get(refusal.by) or f"refused {whose}{label or 'decision'}"
        fix = f"; mend: {refusal.fix}" if refusal.fix else ""
        lines.append(f"{_cycle(event)} {what} by {refusal.proposer}: {refusal.reason}{fix}")
    return lines


def _cycle(event: Event) -> str:
    cycle = whole_of(event.get("cycle"))
    return "C----" if cycle is None else f"C{cycle:04d}"


def _agent(event: Event) -> str:
    role = text_of(event.get("role"), 40)
    return f"{_said(event, 'agent')}" + (f" as {role}" if role else "")


def _held_back(event: Event) -> str:
    failures, seconds, agent = whole_of(event.get("failures")), whole_of(event.get("pause_s")), event.get("agent")
    if agent is None:  # an older journal: everything waited
        return f"the last {failures} runs failed: nothing new starts for {seconds} s"
    return f"the last {failures} runs of the agent {_said(event, 'agent')} failed: it is not asked for {seconds} s"


def _said(event: Event, name: str) -> str:
    return text_of(event.get(name), _TEXT_CHARACTERS) or "-"


_TELL: dict[str, Callable[[EventLines, Event], list[str]]] = {
    "daemon_started": lambda _, e: [f"loop started (pid {whole_of(e.get('pid'))}, llm_loop {_said(e, 'version')})"],
    "daemon_ended": lambda _, e: [f"loop ended: {_said(e, 'reason')}"],
    "proposal": lambda _, e: refused(e, dict_of(e.get("record"))),
    "review": EventLines.review,
    "run_staged": EventLines.staged,
    "attempt_intended": EventLines.intended,
    "attempt_started": EventLines.started,
    "run_adopted": lambda tell, e: [f"{tell.name(e)} goes on, taken over from the loop before"],
    "run_moved": lambda tell, e: [f"{tell.name(e)} {_said(e, 'state')}: {_said(e, 'why')}"],
    "stop_requested": lambda tell, e: [f"{tell.name(e)} is asked to end: {_said(e, 'reason')}"],
    "cycle": EventLines.closed,
    "human_edit": lambda _, e: [f"a person changed {_said(e, 'path')}"],
    "config_changed": lambda _, e: [f"configuration changed: {', '.join(texts_of(e.get('keys'))) or 'no value'}"],
    "request_answered": EventLines.answered,
    "flag_consumed": lambda _, e: [f"flag {_said(e, 'flag')} seen"],
    "agent_out": lambda _, e: [f"{_agent(e)} rests until {local_time(e.get('until_utc'))}: {_said(e, 'cause')}"],
    "agent_back": lambda _, e: [f"{_agent(e)} answers again"],
    "place_refused": lambda _, e: [f"{_cycle(e)} the change of code is refused: {_said(e, 'why')}"],
    "paused": lambda _, e: ["paused: nothing new is launched"],
    "resumed": lambda _, e: ["resumed"],
    "notice": lambda _, e: [f"note: {_said(e, 'text')}"],
    "human_no_longer_needed": lambda _, e: [f"no person is needed any more ({_said(e, 'id')}): {_said(e, 'why')}"],
    "person_notified": lambda _, e: (
        [f"a message of {_said(e, 'id')} was sent by {', '.join(texts_of(e.get('ways'), 40))}"] if e.get("ways") else []
    ),
    "clock_jumped": lambda _, e: [f"the clock jumped by {whole_of(e.get('by_s'))} s: times before it do not compare"],
    "machine_slept": lambda _, e: [f"the machine slept for {whole_of(e.get('seconds'))} s; that counts against no run"],
    "memory_short": lambda _, e: [f"memory is nearly full ({whole_of(e.get('free_mb'))} MB left): nothing new starts"],
    "memory_free_again": lambda _, e: ["memory is free again"],
    "held_after_failures": lambda _, e: [_held_back(e)],
    "environment_held": lambda _, e: ["packages of the training environment are changed: nothing starts meanwhile"],
    "environment_freed": lambda _, e: ["the training environment is free again"],
    "disk_free_again": lambda _, e: [f"disk is free again ({whole_of(e.get('free_mb'))} MB)"],
}
