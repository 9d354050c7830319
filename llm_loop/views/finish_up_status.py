"""The finish-up as ``status`` shows it: the control file of a person, and the loop's own word on it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from llm_loop.config import Config
from llm_loop.contract.finish_up import MOST_MINUTES, WishDefaults, read_wish
from llm_loop.errors import ContractError
from llm_loop.memory.finish_up import FinishUpState
from llm_loop.system import files
from llm_loop.system.clock import utc_text
from llm_loop.views.snapshot import FinishUp
from llm_loop.views.untrusted import clean, text_of

_NOTE_CHARACTERS = 300


class FinishUpFile:
    """Look at the control file again and again; what stands as it was is not read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: object = None
        self._told = FinishUp(present=False, status=None)

    def look(self, state: FinishUpState, config: Config | None, now: datetime) -> FinishUp:
        """Return how the finish-up stands. Raises nothing."""
        path = self._path if config is None else config.finishup_control_file
        signature = files.signature(path)
        seen = path, signature, state
        if seen != self._seen or signature is None:
            self._told = _told(path, state, wish_defaults(config, now))
            self._seen = seen
        return self._told


def wish_defaults(config: Config | None, now: datetime) -> WishDefaults:
    """Return what a wish takes from the configuration, else the shipped defaults."""
    if config is None:
        return WishDefaults(minutes=60.0, top_k=10, now=now)
    minutes, top_k = config.finishup_default_minutes_left, config.finishup_default_report_top_k
    return WishDefaults(minutes=float(min(minutes, MOST_MINUTES)), top_k=top_k, now=now)


def _told(path: Path, state: FinishUpState, defaults: WishDefaults) -> FinishUp:
    phase = None if state.phase is None else state.phase.value
    try:
        wish = read_wish(path, defaults)
    except FileNotFoundError:
        return FinishUp(present=False, status=None, phase=phase)
    except ContractError as error:
        return FinishUp(present=True, status=None, trouble=clean(str(error), 400), phase=phase)
    return FinishUp(
        present=True,
        status=wish.status.value,
        phase=phase,
        activate_at_utc=utc_text(wish.activate_at),
        deadline_utc=utc_text(wish.deadline),
        rounds=wish.rounds,
        rounds_begun=len(state.rounds_begun),
        report_top_k=wish.top_k,
        note=text_of(wish.note, _NOTE_CHARACTERS),
    )
