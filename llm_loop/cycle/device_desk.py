"""Which device the next run gets, whether memory holds it, and what each run was seen to use of its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_loop.contract.run import Run, RunState
from llm_loop.memory.peaks import Peak, expected, model_of, peak_of
from llm_loop.runs.device_peaks import DevicePeaks
from llm_loop.runs.device_watch import DeviceWatch
from llm_loop.runs.devices import NONE, Choice, choose
from llm_loop.runs.memory_guard import Need, Occupant, Place, place
from llm_loop.runs.nvidia_smi import find_nvidia_smi
from llm_loop.stages.observe import params_of_run
from llm_loop.system.clock import Every
from llm_loop.system.memory import HostMemory, host_memory

if TYPE_CHECKING:
    from llm_loop.cycle.context import Context

EVERY_S = 60.0
SOONEST_S = 5.0
_MEMORY_LOOK_S = 1.0
_SHORT_RUNS = 3
_LAST_ROWS = 200


class DeviceDesk:
    """Know the devices of one workspace's slots. ``waiting_for`` says by run id why a run does not start yet.

    ``find`` returns the command of `nvidia-smi`, None where there is none; not given, it is looked for on PATH.
    """

    def __init__(self, context: Context, find: Callable[[], Sequence[str] | None] | None = None) -> None:
        self._context = context
        self._watch = DeviceWatch(context.jobs, find or self._command)
        self._peaks = DevicePeaks()
        self._first_seen_s: dict[str, float] = {}
        self._memory: HostMemory | None = None
        self._memory_look = Every(_MEMORY_LOOK_S)
        self._said: set[str] = set()
        self._rows_seen = -1
        self._known: list[Peak] = []
        self.waiting_for: dict[str, str] = {}

    # ------------------------------------------------------------ at each tick

    def tick(self, now_s: float) -> None:
        """Take up readings of the cards and ask for the next one: each minute, sooner while a run is young."""
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        self._note_runs(running, now_s)
        if not self._slots_have_devices():
            return
        by_card = self._runs_by_card(running)
        if self._watch.take(now_s):
            self._peaks.take(self._watch.cards or (), by_card)
        self._say(self._watch.trouble)
        if (running or self._is_wanted()) and self._watch.ask(now_s, self._every_s(now_s)):
            self._peaks.asked(by_card)

    def place(self, run: Run, now_s: float) -> Place:
        """Return where the run starts, or what it waits for, which ``waiting_for`` keeps for people."""
        found = self._place(run, now_s)
        self.waiting_for.pop(run.run_id, None)
        if found.waits_for is not None:
            self.waiting_for[run.run_id] = found.waits_for
        return found

    def expected_host_bytes(self, run: Run) -> int | None:
        """Return what runs of the same model have taken of the machine's memory; None when that is not known."""
        return self._need(run).host_bytes

    def device_peak_bytes(self, run_id: str) -> int | None:
        """Return the most that a run was seen to use of its device; None when that is not known."""
        return self._peaks.of(run_id)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the devices of the slots and the runs on them, for the heartbeat."""
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        return [
            {
                "name": device.name,
                "card": None if device.card is None else device.card.to_json(),
                "runs": [run.run_id for run in running if device.is_named(run.last_attempt.device)],
            }
            for device in self._choice().devices
        ]

    # ------------------------------------------------------------ the cards

    def _command(self) -> list[str] | None:
        found = find_nvidia_smi(self._context.environment)
        return None if found is None else [str(found)]

    def _choice(self) -> Choice:
        return choose(self._context.config.devices, self._context.environment, self._watch.cards)

    def _slots_have_devices(self) -> bool:
        return bool(self._context.config.devices) and self._context.config.devices != NONE

    def _is_wanted(self) -> bool:
        """Tell whether a reading matters although nothing runs: a run is about to start, or none was taken yet."""
        return self._watch.cards is None or bool(self._context.ledger.state.in_state(RunState.STAGED, RunState.QUEUED))

    def _every_s(self, now_s: float) -> float:
        """Return how old a reading may get: as old as the youngest run, from 5 seconds to a minute."""
        youngest = min((now_s - first_s for first_s in self._first_seen_s.values()), default=EVERY_S)
        return max(SOONEST_S, min(EVERY_S, youngest))

    def _runs_by_card(self, running: list[Run]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for device in self._choice().devices:
            if device.card is not None:
                on_it = [run.run_id for run in running if device.is_named(run.last_attempt.device)]
                found.setdefault(device.card.uuid, []).extend(on_it)
        return found

    def _note_runs(self, running: list[Run], now_s: float) -> None:
        here = {run.run_id for run in running}
        for run_id in here:
            self._first_seen_s.setdefault(run_id, now_s)
        for run_id in self._first_seen_s.keys() - here:
            del self._first_seen_s[run_id]
            self._peaks.forget(run_id)
        open_runs = self._context.ledger.state.runs
        for run_id in [run_id for run_id in self.waiting_for if run_id in here or run_id not in open_runs]:
            del self.waiting_for[run_id]

    def _say(self, *sentences: str | None) -> None:
        """Journal each sentence once in the daemon's life."""
        for text in sentences:
            if text is not None and text not in self._said:
                self._said.add(text)
                self._context.ledger.record("notice", text=text)

    # ------------------------------------------------------------ room for a run

    def _place(self, run: Run, now_s: float) -> Place:
        if self._slots_have_devices() and not self._watch.is_settled(now_s):
            return Place(waits_for="nvidia-smi has not answered yet")
        choice = self._choice()
        self._say(*choice.notices)
        if choice.notices and not choice.devices:  # a run without a device of its own would see them all
            return Place(waits_for=f"none of the devices named is there: {'; '.join(choice.notices)}")
        return place(self._need(run), self._occupants(now_s), choice.devices, self._host(now_s))

    def _occupants(self, now_s: float) -> list[Occupant]:
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        read_s = now_s if self._watch.read_s is None else self._watch.read_s
        first_s = {run.run_id: self._first_seen_s.get(run.run_id, now_s) for run in running}
        return [
            Occupant(
                run_id=run.run_id,
                device=run.last_attempt.device,
                need=self._need(run),
                age_s=now_s - first_s[run.run_id],
                age_at_reading_s=read_s - first_s[run.run_id],
                seen_bytes=self._peaks.of(run.run_id),
            )
            for run in running
        ]

    def _need(self, run: Run) -> Need:
        """Return what a run may take. Where three runs ended and no reading saw one, readings will not tell."""
        known = self._known_peaks()
        peak = expected(known, model_of(params_of_run(run)))
        if peak.device_bytes is None and len(known) >= _SHORT_RUNS:
            peak = replace(peak, device_bytes=0)
        return Need(host_bytes=peak.host_bytes, device_bytes=peak.device_bytes)

    def _known_peaks(self) -> list[Peak]:
        memory = self._context.memory
        if memory.index.runs != self._rows_seen:
            self._known = [peak_of(row) for row in memory.latest_rows(_LAST_ROWS)]
            self._rows_seen = memory.index.runs
        return self._known

    def _host(self, now_s: float) -> HostMemory | None:
        if self._memory_look.due(now_s):
            self._memory = host_memory()
        return self._memory
