"""What the loop knows right now, as a value: the open cycle, the open runs, and what was counted so far.

It is the journal, folded (``folding``). ``state.json`` is a snapshot with the ``seq`` it reaches, so a start reads the
snapshot and the few events behind it; a missing or corrupt snapshot costs one replay and loses nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.context import Streaks
from llm_loop.contract.run import Run, RunState
from llm_loop.errors import CorruptFileError
from llm_loop.memory.agent_use import AgentUse
from llm_loop.memory.finish_up import FinishUpState
from llm_loop.memory.interventions import Interventions
from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.memory.queue import QueueState
from llm_loop.memory.reviews import ReviewHistory
from llm_loop.memory.slot_use import SlotUse
from llm_loop.system import files

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold the open cycle of the plan lane.

    ``step`` is ``decide`` or ``review``, ``agent`` who is asked, ``call_id`` the call in flight (None
    before it starts), ``asks`` how often this agent was asked in this cycle. ``proposals`` are the
    records of everything proposed so far; ``accepted`` is the one that passed the gate and awaits the
    mentor's word. ``review`` is that word's record once it is there. ``woken_by`` are the reasons, run by run, for
    which the worker is asked although each slot has its next decision; () for a cycle that fills a slot. ``running``
    are the runs that the one asked last was shown as running; None in a journal of before that was kept.
    ``has_replaced``: the staged run that a woken worker's decision stands in for was dropped already. ``repairs`` is
    the failed run that this cycle shall mend, None for a cycle that mends none.
    """

    cycle: int
    cycle_trace_id: str
    step: str = "decide"
    agent: str = "builtin"
    call_id: str | None = None
    asks: int = 0
    proposals: tuple[dict[str, Any], ...] = ()
    accepted: dict[str, Any] | None = None
    review_reasons: tuple[str, ...] = ()
    review: dict[str, Any] | None = None
    woken_by: tuple[dict[str, Any], ...] = ()
    running: tuple[str, ...] | None = None
    has_replaced: bool = False
    repairs: str | None = None

    @property
    def is_aside(self) -> bool:
        """Tell whether the cycle is beside those that fill the slots: its worker was woken, or mends a run."""
        return bool(self.woken_by) or self.repairs is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """Hold the state after event ``seq``. ``runs`` are those whose cycle is not closed, by id.

    ``code_looks`` are, by run id, the ended runs whose code was not looked at again yet: the attempt, the version that
    it began with, and its checkout (None: the training repository).
    """

    seq: int = 0
    cycle: int = 0
    cycles_closed: int = 0
    runs_made: int = 0
    calls_made: int = 0
    waits_in_a_row: int = 0
    cycles_since_run: int = 0
    bootstrap_attempts: int = 0
    bootstrap_successful: bool = False
    plan: Plan | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    last_completed_run: dict[str, Any] | None = None
    recent_experiments: tuple[tuple[str, int], ...] = ()
    code_looks: dict[str, dict[str, Any]] = field(default_factory=dict)
    slot_use: SlotUse = field(default_factory=SlotUse)
    agent_use: AgentUse = field(default_factory=AgentUse)
    reviews: ReviewHistory = field(default_factory=ReviewHistory)
    mentor_worth: MentorWorth = field(default_factory=MentorWorth)
    streaks: Streaks = field(default_factory=Streaks)
    interventions: Interventions = field(default_factory=Interventions)
    queue: QueueState = field(default_factory=QueueState)
    finish_up: FinishUpState = field(default_factory=FinishUpState)
    schema_version: int = SCHEMA_VERSION

    def in_state(self, *states: RunState) -> list[Run]:
        """Return the open runs in one of the given states, in the order of their making."""
        return [run for run in self.runs.values() if run.state in states]

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        value = {name: getattr(self, name) for name in self.__slots__}
        value["plan"] = None if self.plan is None else asdict(self.plan)
        value["streaks"] = asdict(self.streaks)
        for name in _FOLDED:
            value[name] = getattr(self, name).to_json()
        value["runs"] = {run_id: run.to_json() for run_id, run in self.runs.items()}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the state from a snapshot; what one of before did not hold has its default.

        Raises TypeError or KeyError when it is none.
        """
        fields = {name: value[name] for name in cls.__slots__ if name in value or name not in _LATER}
        if fields["plan"] is not None:
            plan = dict(fields["plan"])
            for name in ("proposals", "review_reasons", "woken_by"):
                plan[name] = tuple(plan[name])
            if plan.get("running") is not None:
                plan["running"] = tuple(plan["running"])
            fields["plan"] = Plan(**plan)
        fields["runs"] = {run_id: Run.from_json(run) for run_id, run in fields["runs"].items()}
        fields["streaks"] = Streaks(**fields["streaks"])
        for name, kind in _FOLDED.items():
            if name in fields:
                fields[name] = kind.from_json(fields[name])
        fields["recent_experiments"] = tuple((key, seq) for key, seq in fields["recent_experiments"])
        return cls(**fields)


def load(path: Path) -> LoopState | None:
    """Return the snapshot's state, or None when the file is missing.

    Raises CorruptFileError when it is no snapshot of this version.
    """
    try:
        value = files.read_json(path)
        return LoopState.from_json(value["loop"])
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:  # OSError: a folder in its place
        raise CorruptFileError(path, f"not a state of this version ({type(error).__name__}: {error})") from error


_LATER: frozenset[str] = frozenset({"interventions", "queue", "code_looks", "finish_up"})
"""Fields of the state that the first snapshots did not hold: missing there they have their default."""
_FOLDED: dict[str, Any] = {
    "slot_use": SlotUse,
    "agent_use": AgentUse,
    "reviews": ReviewHistory,
    "mentor_worth": MentorWorth,
    "interventions": Interventions,
    "queue": QueueState,
    "finish_up": FinishUpState,
}
