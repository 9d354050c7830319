"""Hold launches while a folder that trainings need is not there, and call a person; both end by themselves.

A folder on the workspace's own drive is looked at here. One on another drive, which may be a network's that answers
after minutes or never, is looked at by a child with a deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from llm_loop.config import Config
from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer
from llm_loop.system.clock import Every
from llm_loop.system.place_look import trouble_with
from llm_loop.system.presence import device_of

if TYPE_CHECKING:
    from llm_loop.cycle.context import Context

PHASE = "drive"
_JOB = "places"
_MODULE = "llm_loop.system.place_look"
_LOOK_S = 1.0
_FAR_LOOK_S, _FAR_LOOK_IN_TROUBLE_S = 15.0, 5.0
_DEADLINE_S = 10.0
_CALL_AFTER_S = 5.0
_SILENT = "its drive does not answer"


class PlaceWatch:
    """Watch the training repository and the data of one configuration."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._near_due = Every(_LOOK_S)
        self._far_due_s = 0.0
        self._far_begun_s = self._far_answered_s = float("-inf")
        self._looked_at: set[Path] = set()
        self._near_seen: dict[Path, bool] = {}
        self._troubles: dict[str, str] = {}
        self._since_s: dict[str, float] = {}

    def tick(self, now_s: float) -> None:
        """Take the looks that are due, hold launches or let them go. Raises FileWriteError."""
        places = places_of(self._context.config)
        for gone in [key for key in self._troubles if key not in places]:
            del self._troubles[gone]
        if self._near_due.due(now_s):
            for key, folder in places.items():
                if self._is_near(folder):
                    self._note(key, trouble_with(folder))
                    self._looked_at.add(folder)
        self._look_far({key: folder for key, folder in places.items() if not self._is_near(folder)}, now_s)
        self._tell(places, now_s)

    def away_since(self, moment_s: float) -> list[str] | None:
        """Return the keys of the folders that were away at a look later than a moment; None while there was none."""
        places = places_of(self._context.config)
        near = {key: folder for key, folder in places.items() if self._is_near(folder)}
        away = [key for key, folder in near.items() if trouble_with(folder)]
        away += [key for key in self._troubles if key in places and key not in near]
        if not away and len(near) < len(places) and self._far_answered_s < moment_s:
            self._far_due_s = min(self._far_due_s, moment_s)
            return None
        return away

    def _is_near(self, folder: Path) -> bool:
        """Tell whether a folder lies on the workspace's drive; once known it is not asked again: that may take long."""
        if folder not in self._near_seen:
            device = device_of(folder)
            if device is None:
                return False
            self._near_seen[folder] = device == device_of(self._context.paths.root)
        return self._near_seen[folder]

    def _look_far(self, folders: Mapping[str, Path], now_s: float) -> None:
        jobs = self._context.jobs
        if jobs.is_open(_JOB):
            outcome = jobs.take(_JOB, now_s)
            if outcome is None:
                return
            self._far_answered_s = self._far_begun_s
            answer = outcome.answer  # where there is none, nobody is held for ever either
            self._looked_at.update(one for one in folders.values() if answer is None or str(one) in answer)
            for key in folders:
                if outcome.answer is not None and str(folders[key]) in outcome.answer:
                    self._note(key, outcome.answer[str(folders[key])])
                elif outcome.is_late:
                    self._note(key, _SILENT)
        elif folders and (now_s >= self._far_due_s or not self._looked_at.issuperset(folders.values())):
            in_trouble = any(key in self._troubles for key in folders)
            self._far_due_s = now_s + (_FAR_LOOK_IN_TROUBLE_S if in_trouble else _FAR_LOOK_S)
            self._far_begun_s = now_s
            jobs.open(_JOB, _MODULE, {"folders": [str(folder) for folder in folders.values()]}, _DEADLINE_S)

    def _note(self, key: str, trouble: str | None) -> None:
        if trouble is None:
            self._troubles.pop(key, None)
        else:
            self._troubles[key] = trouble

    def _tell(self, places: Mapping[str, Path], now_s: float) -> None:
        """Hold at once; call a person when it lasts: a folder that is renamed and back is nobody's business."""
        context = self._context
        self._since_s = {key: self._since_s.get(key, now_s) for key in self._troubles}
        unknown = {key: folder for key, folder in places.items() if folder not in self._looked_at}
        if self._troubles:
            words = (f"{key}: {places[key]}: {trouble}" for key, trouble in self._troubles.items())
            context.holds[PHASE] = "; ".join(words) + ": nothing new starts until it is back"
        elif unknown:
            context.holds[PHASE] = f"looking whether {', '.join(map(str, unknown.values()))} is there"
        else:
            context.holds.pop(PHASE, None)
        for key, trouble in self._troubles.items():
            if now_s - self._since_s[key] >= _CALL_AFTER_S:
                why, to_do = (
                    f"{key}: {places[key]}: {trouble}",
                    f"bring {places[key]} back, or set {key} to another folder",
                )
                call_a_person(context.ledger, phase=PHASE, cause=key, why=why, what_to_do=to_do, is_global=True)
        for reason in context.ledger.state.interventions.reasons:
            if reason.phase == PHASE and reason.cause not in {**self._troubles, **unknown}:
                call_no_longer(context.ledger, PHASE, reason.cause, "it is there again")


def places_of(config: Config) -> dict[str, Path]:
    """Return the folders that trainings need, by their keys."""
    places = {"training_repo_root": config.training_repo_root}
    return places if config.data_source_root is None else places | {"data_source_root": config.data_source_root}
