"""What a person should know of: errors, refusals of files and settings, repairs, what only a person can mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_loop.memory.interventions import NEEDED, NOTIFIED, id_of
from llm_loop.views.untrusted import text_of, whole_of

KINDS = frozenset(
    "error config_refused file_not_written launch_failed repaired history_damaged disk_short "
    "agent_out code_version sandbox_chosen needs_human person_notified request_unreadable "
    "written_again drive_away".split()
)
_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Hold one alarm of the journal: when, its event's kind, and one line of what it says.

    ``about`` is the id of the reason for which a person is needed; None where it is about none.
    """

    at_utc: str | None
    kind: str
    text: str
    about: str | None = None


def alarm_of(event: dict[str, Any]) -> Alarm | None:
    """Return the alarm that an event is, or None. Raises nothing."""
    if event.get("event") not in KINDS or not _concerns_a_person(event):
        return None
    kind = str(event["event"])
    about = (text_of(event.get("id"), 40) or id_of(event.get("seq", 0))) if kind in (NEEDED, NOTIFIED) else None
    return Alarm(at_utc=text_of(event.get("ts_utc"), 40), kind=kind, text=_words(kind, event), about=about)


def _concerns_a_person(event: dict[str, Any]) -> bool:
    """Tell whether somebody has to do or know something: most pauses of an agent end by themselves."""
    match event["event"]:
        case "agent_out":
            return event.get("tell") == "person" and event.get("failures") == 1
        case "code_version":
            return event.get("changed") is True
        case "sandbox_chosen":
            return bool(event.get("mend"))
        case "person_notified":
            return event.get("ok") is not True
        case _:
            return True


def _words(kind: str, event: dict[str, Any]) -> str:
    why = text_of(event.get("why"), _CHARACTERS) or "no reason given"
    match kind:
        case "config_refused":
            return f"the configuration is refused, the last good one stays: {why}"
        case "launch_failed":
            return f"{text_of(event.get('run_id'), 40)} could not be launched, tried again in 10 s: {why}"
        case "repaired":
            aside = text_of(event.get("set_aside"), _CHARACTERS)
            what = text_of(event.get("what"), _CHARACTERS) or "something was repaired"
            return f"repaired: {what}" + (f"; set aside as {aside}" if aside else "")
        case "agent_out":
            said = text_of(event.get("message"), _CHARACTERS)
            sentence = text_of(event.get("sentence"), _CHARACTERS) or "an agent cannot be asked"
            return sentence + (f" ({said})" if said else "")
        case "code_version":
            began, version = text_of(event.get("began"), 40) or "?", text_of(event.get("version"), 40) or "?"
            run_id = text_of(event.get("run_id"), 40) or "a run"
            return f"the code of {run_id} changed while it ran: it began as version {began} and ended as {version}"
        case "sandbox_chosen":
            mode, mend = text_of(event.get("mode"), 40) or "?", text_of(event.get("mend"), _CHARACTERS) or "none"
            reason = text_of(event.get("reason"), _CHARACTERS) or "no reason given"
            return f"Codex works in the sandbox {mode}: {reason}; mend: {mend}"
        case "needs_human":
            to_do = text_of(event.get("what_to_do"), _CHARACTERS)
            return f"a person is needed: {why}" + (f"; {to_do}" if to_do else "")
        case "person_notified":
            return f"no message of {text_of(event.get('id'), 40)} by some of the ways that are set: {why}"
        case "request_unreadable":
            aside = text_of(event.get("set_aside"), 120)
            where = f"set aside as {aside}" if aside else "it stays there"
            return f"a file in the inbox is no request: {text_of(event.get('file'), 120)}: {why}; {where}"
        case "written_again":
            return f"nothing could be written for {whole_of(event.get('for_s'))} s ({why}); it can again"
        case "drive_away":
            path, seconds = text_of(event.get("path"), _CHARACTERS), whole_of(event.get("for_s"))
            return f"the drive of {path} was not there for {seconds} s; the loop waited"
        case "disk_short":
            free, wanted = whole_of(event.get("free_mb")), whole_of(event.get("wanted_mb"))
            return f"only {free} MB of disk are free, {wanted} MB are wanted: nothing new is launched"
        case _:
            return why
