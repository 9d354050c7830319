"""Ask something of the loop and wait for its answer: the daemon's, or our own where none is alive."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.config import load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import LONGEST_NOTE, MOST_BYTES, Request, RequestKind
from llm_loop.errors import ConfigError, CorruptFileError, LoopError, WorkspaceBusyError
from llm_loop.memory.journal import Event
from llm_loop.resetting.unfinished import refuse_unfinished
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.system.instance_lock import InstanceLock, is_held
from llm_loop.views.event_log import last_seq
from llm_loop.views.journal_tail import JournalTail
from llm_loop.views.untrusted import text_of, texts_of
from llm_loop.views.wording import typed

DEFAULT_CONFIG = Path("config/daemon_config.json")
PATIENCE_S = 15.0
UNANSWERED = 5
EXIT_CODES = (
    "Exit code 0: done. 1: refused, with the reason. 2: wrong usage or configuration. 5: no answer in time; the "
    "request lies in .llm_loop/inbox and is taken up as soon as the loop can."
)
_LOOK_S = 0.05


class NotAnsweredError(LoopError):
    """Say that a request was not answered in time, and where it lies (exit code 5)."""

    exit_code = UNANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what came of a request: the ids of the runs or reasons that it is about, and whether no daemon was there."""

    run_ids: tuple[str, ...]
    alone: bool
    reasons: tuple[str, ...] = ()


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the flag for how long to wait."""
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=PATIENCE_S,
        metavar="S",
        help=f"Wait at most S seconds for the loop's answer (default: {PATIENCE_S:g}).",
    )


def add_note(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the flag for a person's words; ``what`` begins its help."""
    parser.add_argument(
        "--note",
        type=_note,
        metavar="TEXT",
        help=f"{what}, in at most {LONGEST_NOTE} characters (default: no note).",
    )


def ask(paths: WorkspacePaths, request: Request, patience_s: float) -> Answer:
    """Drop a request and return what came of it.

    Raises LoopError with the reasons when it is refused, NotAnsweredError when nobody answered in time.
    """
    if not paths.loop.is_dir() and not (paths.root / DEFAULT_CONFIG).is_file():
        raise LoopError(f"{paths.root} is no workspace: neither .llm_loop nor {DEFAULT_CONFIG} lies there")
    place = paths.inbox / f"{request.id}.json"
    tail = JournalTail(paths.events, after=last_seq(paths.events))
    text = files.json_text(request.to_json())
    if len(text.encode()) > MOST_BYTES:
        raise LoopError(f"the request is larger than {MOST_BYTES:,} bytes: ask for less at once")
    files.replace_text(place, text)
    give_up_s, alone = time.monotonic() + patience_s, False
    while True:
        for event in tail.new_events():
            if _is_answer(event, request.id):
                return _taken(event, alone=alone)
        left_s = give_up_s - time.monotonic()
        if left_s <= 0:
            raise NotAnsweredError(
                f"no answer in {patience_s:g} s; the request lies in {place} and is taken up as soon as the loop can: "
                f"look at `{typed('queue')}`, or remove the file"
            )
        if not is_held(paths.instance_lock):
            try:
                alone = _answer_alone(paths, request.id, left_s) or alone
            except (ConfigError, CorruptFileError):  # nothing was done, and nothing shall be done later without a word
                files.remove(place)
                raise
        else:
            time.sleep(_LOOK_S)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to a day")
    return value


def _note(text: str) -> str:
    if len(text) > LONGEST_NOTE:
        raise argparse.ArgumentTypeError(f"the note has {len(text)} characters; at most {LONGEST_NOTE} are kept")
    return text


def _is_answer(event: Event, request_id: str) -> bool:
    if event["event"] == "request_unreadable":
        return event.get("file") == f"{request_id}.json"
    return event["event"] == "request_answered" and event.get("id") == request_id


def _taken(event: Event, *, alone: bool) -> Answer:
    if not event.get("accepted"):
        why: Any = event.get("why")
        reasons = texts_of(why, 600) or tuple(filter(None, [text_of(why, 600)])) or ("the loop gave no reason",)
        lead = ["nothing was queued:"] if event.get("request") == RequestKind.QUEUE_ADD else []
        raise LoopError(("\n  " if len(reasons) > 1 else " ").join([*lead, *reasons]))
    ids, reasons = texts_of(event.get("run_ids"), 40), texts_of(event.get("reasons"), 40)
    return Answer(run_ids=ids, alone=alone, reasons=reasons)


def _answer_alone(paths: WorkspacePaths, request_id: str, patience_s: float) -> bool:
    """Do it ourselves where nobody holds the workspace; tell whether that was so."""
    config = load_config(_config_path(paths), paths.root, os.environ)
    try:
        with InstanceLock(paths.instance_lock, patience_s=0.0):
            refuse_unfinished(paths)
            from llm_loop.cycle.inbox_alone import answer_alone  # here: a living loop needs none of it

            answer_alone(paths, config, os.environ, SystemClock(), request_id, patience_s)
    except WorkspaceBusyError:  # somebody was quicker, and answers
        return False
    return True


def _config_path(paths: WorkspacePaths) -> Path:
    """Return the configuration that the loop here was last started with."""
    try:
        path = Path(files.read_json(paths.heartbeat)["config_path"])
    except (OSError, CorruptFileError, KeyError, TypeError):
        return paths.root / DEFAULT_CONFIG
    return path if path.is_file() else paths.root / DEFAULT_CONFIG
