"""Tell a person who is needed, by the ways that the configuration sets: once a reason, also across restarts.

That a reason was told, or given up, is one event, so a restart tells it not again; a daemon that is killed between the
sending and that event sends once more: better twice than never. Each try is a job; what failed in it is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.cycle.context import Context
from llm_loop.memory.interventions import NOTIFIED, Intervention
from llm_loop.notification import ways
from llm_loop.notification.message import Message
from llm_loop.notification.tell import DEADLINE_S, MODULE
from llm_loop.system.jobs import JobOutcome
from llm_loop.views.calls_for_people import reason_of
from llm_loop.views.untrusted import clean, dict_of, text_of, texts_of

PAUSES_S = (30.0, 300.0)
"""How long a second and a third try wait; there is no fourth."""
MOST_AN_HOUR = 12
"""So many messages are sent in an hour, those apart for which nothing goes on; the others wait, `status` has them."""
_HOUR_S = 3600.0
NO_LIBRARY = f"the library {ways.LIBRARY} is not installed: {ways.INSTALL}"
_JOB = "notify"


@dataclass(kw_only=True)
class _Telling:
    """Hold how far one reason was told: by which ways, by which not and why, and when it is tried again."""

    settings: tuple[Any, ...]
    left: list[str]
    told: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    again_s: float = 0.0


class Notifying:
    """Tell the open reasons of one workspace, one try at a time; ``pauses_s`` are those between tries."""

    def __init__(self, context: Context, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._context, self._pauses_s = context, pauses_s
        self._tellings: dict[str, _Telling] = {}
        self._in_flight: str | None = None
        self._sent_s: list[float] = []
        self._has_said = False

    def tick(self, now_s: float) -> None:
        """Take the next step; ``now_s`` is monotonic. Raises FileWriteError; the next tick tries again."""
        self._say_what_is_missing()
        if self._in_flight is not None and (outcome := self._context.jobs.take(_JOB, now_s)) is not None:
            self._take(self._in_flight, outcome, now_s)
            self._in_flight = None
        open_ones = [one for one in self._context.ledger.state.interventions.reasons if not one.notified]
        self._begin([one for one in open_ones if not one.resolved])
        for reason in open_ones:
            telling = self._tellings.get(reason.id)
            if telling is None or self._in_flight == reason.id:
                continue
            if self._is_over(telling):
                self._conclude(reason, telling)
            elif self._in_flight is None and now_s >= telling.again_s and self._may_send(reason, telling, now_s):
                self._open(reason, telling)

    def _say_what_is_missing(self) -> None:
        """Say once, long before it is needed, that there are addresses and nothing that knows them."""
        if self._has_said or not self._context.config.notify_urls:
            return
        if not ways.library_is_there():
            self._context.ledger.record("notice", text=f"{ways.URLS_KEY} tells nobody: {NO_LIBRARY}")
        self._has_said = True

    def _begin(self, reasons: Sequence[Intervention]) -> None:
        """Begin with new reasons, and anew where the settings have changed; forget those that have gone."""
        config, known = self._context.config, self._tellings
        names, settings = ways.ways_of(config), (config.notify_command, config.notify_urls)
        self._tellings = {}
        for reason in reasons if names else ():
            telling = known.get(reason.id)
            if telling is None or telling.settings != settings:
                telling = _new_telling(names, settings)
            self._tellings[reason.id] = telling

    def _is_over(self, telling: _Telling) -> bool:
        return not telling.left or telling.tries > len(self._pauses_s)

    def _may_send(self, reason: Intervention, telling: _Telling, now_s: float) -> bool:
        """Tell whether a message may be begun: a night of failures must not be a night of messages."""
        if reason.is_global or telling.tries:
            return True
        self._sent_s = [sent_s for sent_s in self._sent_s if now_s - sent_s < _HOUR_S]
        if len(self._sent_s) >= MOST_AN_HOUR:
            return False
        self._sent_s.append(now_s)
        return True

    def _open(self, reason: Intervention, telling: _Telling) -> None:
        config = self._context.config
        question = {
            "ways": telling.left,
            "sources": ways.sources_of(config),
            "message": message_of(reason, self._context.paths.root).to_json(),
        }
        self._context.jobs.open(_JOB, MODULE, question, DEADLINE_S)
        self._in_flight = reason.id

    def _take(self, reason_id: str, outcome: JobOutcome, now_s: float) -> None:
        """Keep what a try came to; of one without an answer nobody knows whom it has told."""
        telling = self._tellings.get(reason_id)
        if telling is None:  # the reason has gone meanwhile
            return
        answer = dict_of(outcome.answer)
        failed = {way: text_of(why, 200) or "no reason given" for way, why in dict_of(answer.get("failed")).items()}
        told = [way for way in texts_of(answer.get("told"), 40) if way in telling.left]
        telling.told += told
        telling.left = [way for way in telling.left if way not in told]
        why = clean(outcome.why or "no answer", 200)
        telling.failed |= {way: failed.get(way, why) for way in telling.left}
        telling.again_s = now_s + (self._pauses_s[telling.tries] if telling.tries < len(self._pauses_s) else 0.0)
        telling.tries += 1

    def _conclude(self, reason: Intervention, telling: _Telling) -> None:
        why = "; ".join(f"{way}: {telling.failed[way]}" for way in telling.failed if way not in telling.told)
        self._context.ledger.record(
            NOTIFIED, id=reason.id, ways=telling.told, ok=not why, why=clean(why, 600) if why else None
        )


def _new_telling(names: Sequence[str], settings: tuple[Any, ...]) -> _Telling:
    """Return a telling that has not begun; without the library nothing is tried by address."""
    missing = [] if ways.library_is_there() else [way for way in names if ways.is_url(way)]
    return _Telling(
        settings=settings,
        left=[way for way in names if way not in missing],
        failed=dict.fromkeys(missing, NO_LIBRARY),
    )


def message_of(reason: Intervention, workspace: Path) -> Message:
    """Return what a person is told of a reason: the texts that every view shows, one line each."""
    shown = reason_of(reason.to_json())
    lines = [shown.why, *(f"{word}: {text}" for word, text in shown.details())]
    lines += [f"workspace: {workspace}", f"when that is done: llm-loop resolve {reason.id}"]
    return Message(
        id=reason.id,
        title=f"llm_loop {clean(workspace.name, 60)}: a person is needed ({shown.about()})",
        body="\n".join(lines),
        workspace=str(workspace),
        reason=reason.to_json(),
    )
