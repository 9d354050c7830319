"""The keys of ``watch``: pause, resume, stop the run, finish up, quit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from llm_loop.contract.finish_up import FinishUpWish, read_wish, window_from
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ContractError, LoopError
from llm_loop.system import files
from llm_loop.system.clock import Clock
from llm_loop.views.finish_up_status import wish_defaults
from llm_loop.views.reading import SnapshotReader

SURE_WITHIN_S = 5.0
HELP = "keys: p pause  r resume  s stop the run  f finish up  q quit"
_ASKS = {"s": "stop the run that trains", "f": "finish up now"}


class Keys:
    """Do what a key says. What ends something is done when its key is pressed again within 5 seconds."""

    def __init__(self, paths: WorkspacePaths, reader: SnapshotReader, clock: Clock) -> None:
        self._paths, self._reader, self._clock = paths, reader, clock
        self._asked: tuple[str, float] | None = None
        self.wants_to_quit = False

    def press(self, key: str) -> str | None:
        """Do it and return what is to be told; None for a key that means nothing."""
        key = key.lower()
        if key in _ASKS and not self._is_sure(key):
            self._asked = key, self._clock.monotonic()
            return f"press {key} again to {_ASKS[key]}"
        self._asked = None
        try:
            return self._act(key)
        except (LoopError, OSError) as error:
            return str(error)

    def _is_sure(self, key: str) -> bool:
        if self._asked is None:
            return False
        asked, at_s = self._asked
        return asked == key and self._clock.monotonic() - at_s <= SURE_WITHIN_S

    def _act(self, key: str) -> str | None:
        match key:
            case "p":
                files.replace_text(self._paths.pause, "")
                return "paused: nothing new is launched"
            case "r":
                files.remove(self._paths.pause)
                return "resumed"
            case "s":
                files.replace_text(self._paths.stop_current_run, "")
                return "the run that trains is asked to end"
            case "f":
                return self._finish_up()
            case "q" | "\x1b":
                self.wants_to_quit = True
        return None

    def _finish_up(self) -> str:
        """Wish a finish-up that begins now, unless its window is open; one for later is brought forward."""
        config, now = self._reader.config(), self._clock.utc_now()
        path = self._paths.finish_up if config is None else config.finishup_control_file
        defaults = wish_defaults(config, now)
        known: FinishUpWish | None = None
        with suppress(FileNotFoundError, ContractError):
            known = read_wish(path, defaults)
        if known is not None and known.is_open and known.activate_at <= now:
            return "it finishes up already"
        wish = window_from(now, defaults.minutes, defaults)
        if known is not None and known.is_open:  # with the rounds, places and note of the night
            deadline = min(known.deadline, now + timedelta(minutes=known.minutes))
            wish = replace(known, status=wish.status, activate_at=now, deadline=deadline, mode=wish.mode)
        files.replace_json(path, wish.to_json())
        return f"finishing up: the report is there within {wish.minutes:g} minutes"
