"""``storyline.md``: one main line a cycle, so that a night can be read in a minute."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.growing_file import GrowingFile
from llm_loop.memory.markdown_file import Written
from llm_loop.memory.markdown_text import field_text, one_line
from llm_loop.system.clock import Clock

WHY_CHARACTERS = 300
_FIELD_CHARACTERS = 120
_START = "# LLM Work Storyline\n"
_KEY = re.compile(r"^- trace=(\S+) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """Hold a run's best epoch: the selection metric, its value, the epoch and the images behind it."""

    metric: str
    value: float
    epoch: int | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReason:
    """Hold why the gate refused a proposal, whose it was, and what would mend it."""

    proposer: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEntry:
    """Hold one cycle in short. A field that does not apply is None and is left out of the line.

    ``delta`` is this run's value minus the best one before it, in the metric's own unit;
    ``improved`` says whether that is a gain. ``mentor`` is what became of the mentor's word.
    """

    cycle: int
    cycle_trace_id: str
    at_utc: str
    action: str
    category: str | None = None
    run: str | None = None
    outcome: str | None = None
    best: Best | None = None
    delta: float | None = None
    improved: bool | None = None
    proposer: str | None = None
    mentor: str | None = None
    web: bool | None = None
    gate_blocked: bool = False
    why: str = ""
    gate_reasons: tuple[GateReason, ...] = ()


class Storyline(GrowingFile):
    """Hold ``.llm_loop/artifacts/storyline.md``."""

    def __init__(self, paths: WorkspacePaths, clock: Clock) -> None:
        super().__init__(paths.storyline, paths.kept_versions, start=_START, key=_KEY, clock=clock)

    def add(self, entry: StoryEntry) -> Written:
        """Append a cycle; the same trace id is never added twice. Raises FileWriteError."""
        reasons = "".join(f"  - gate refused {_reason(reason)}\n" for reason in entry.gate_reasons)
        block = f"## Cycle {entry.cycle:04d} | {entry.at_utc}\n\n- {_main_line(entry)}\n{reasons}"
        return self.append(entry.cycle_trace_id, block)


def _main_line(entry: StoryEntry) -> str:
    fields = {
        "trace": entry.cycle_trace_id,
        "action": entry.action,
        "category": entry.category,
        "run": entry.run,
        "outcome": entry.outcome,
        "best": None if entry.best is None else _best(entry.best),
        "delta": None if entry.delta is None else _delta(entry.delta, entry.improved),
        "proposer": entry.proposer,
        "mentor": entry.mentor,
        "web": None if entry.web is None else _yes_no(entry.web),
        "qgate_blocked": _yes_no(entry.gate_blocked),
    }
    parts = [f"{name}={field_text(value, _FIELD_CHARACTERS)}" for name, value in fields.items() if value is not None]
    return " | ".join([*parts, f"why={field_text(entry.why, WHY_CHARACTERS)}"])


def _best(best: Best) -> str:
    details = [f"{name} {value}" for name, value in (("epoch", best.epoch), ("n", best.n)) if value is not None]
    return f"{best.metric} {best.value:.6g}" + (f" ({', '.join(details)})" if details else "")


def _delta(delta: float, improved: bool | None) -> str:
    word = "" if improved is None else " (better)" if improved else " (not better)"
    return f"{delta:+.6g}{word}"


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _reason(reason: GateReason) -> str:
    text = f"{field_text(reason.proposer, 40)}: {one_line(reason.reason, WHY_CHARACTERS)}"
    fix = one_line(reason.fix, WHY_CHARACTERS)
    return f"{text} Fix: {fix}" if fix else text
