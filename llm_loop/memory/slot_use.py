"""How busy each slot was, folded from the journal: the idle fraction is the number to beat.

A slot's time goes from its first launch to its last end. In it the slot is busy while a keeper holds an attempt, from
the moment the keeper begins to the end of the command as the keeper noted both (monotonic seconds of one machine
start, so only differences within one span are taken). All other time is idle, whatever the reason: a model that
thinks, a queue that is empty, a hold after failures or for want of disk, a memory guard that keeps the slot empty.

Left out, neither busy nor idle, is what nobody could have used: the time while no daemon lived (a start begins a new
span, where no attempt went on meanwhile; one that did was busy all along), that in which the configuration allowed
fewer runs than there had been slots, the pauses of a person and the time in which packages are installed, so far as the
slot was empty then, and an attempt that was lost, of which nobody knows how long it went on. A slot that never had a
launch does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from llm_loop.memory.journal import Event
from llm_loop.system.processes import EndCause

_MOST_SLOTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFigures:
    """Hold what people are told of one slot: seconds busy, seconds in all, the idle share of these (0..1).

    ``span_s`` goes from the first launch to the last end, without ``paused_s`` and what else is left out.
    """

    slot: int
    busy_s: float
    span_s: float
    paused_s: float
    idle_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Hold one slot. ``run_id`` is the run in it, None while it is free.

    ``busy_s`` and ``paused_s`` sum up; ``span_s`` sums the spans that are over, ``first_s`` and ``last_s`` are first
    launch and last end (monotonic) of the one that is open. ``held_s`` is how long a person held the empty slot since
    ``last_s``. ``unwatched``: a daemon started since the launch, and has not found the attempt alive.
    """

    run_id: str | None = None
    busy_s: float = 0.0
    paused_s: float = 0.0
    span_s: float = 0.0
    first_s: float | None = None
    last_s: float | None = None
    held_s: float = 0.0
    unwatched: bool = False

    def figures(self, number: int) -> SlotFigures | None:
        """Return what people are told, None before the first end."""
        span_s = self.span_s + _length(self.first_s, self.last_s) - self.paused_s
        if span_s <= 0:
            return None
        return SlotFigures(
            slot=number,
            busy_s=round(self.busy_s, 3),
            span_s=round(span_s, 3),
            paused_s=round(self.paused_s, 3),
            idle_fraction=_idle(self.busy_s, span_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotUse:
    """Hold all slots that had a launch, the first one first.

    ``held_since_s`` is when a pause or an install began, of those in ``held_by``. ``install_s`` sums the installs.
    ``most`` is how many runs may train at once, None in a journal of before that was told.
    """

    slots: tuple[Slot, ...] = ()
    held_since_s: float | None = None
    held_by: tuple[str, ...] = ()
    install_since_s: float | None = None
    install_s: float = 0.0
    most: int | None = None

    def figures(self) -> list[SlotFigures]:
        """Return what people are told of each slot that had an end: status, heartbeat and reports show this."""
        found = (slot.figures(number) for number, slot in enumerate(self.slots, 1))
        return [figures for figures in found if figures is not None]

    def idle_fraction(self) -> float | None:
        """Return the idle share of the time of all slots together, 0..1; None before the first end."""
        figures = self.figures()
        span_s = sum(one.span_s for one in figures)
        return _idle(sum(one.busy_s for one in figures), span_s) if span_s > 0 else None

    def lowest_free(self) -> int:
        """Return the number, from 1, of the slot that the next attempt gets."""
        free = (number for number, slot in enumerate(self.slots, 1) if slot.run_id is None)
        return next(free, len(self.slots) + 1)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError or KeyError when it is not one.

        A snapshot of before slots were told apart summed them up: each gets an equal share.
        """
        if isinstance(slots := value["slots"], int):
            before = {name: value[name] for name in ("span_s", "first_s", "last_s")}
            count = max(1, min(slots, _MOST_SLOTS))
            return cls(slots=(Slot(busy_s=value["busy_s"] / count, **before),) * count)
        slots = tuple(Slot(**slot) for slot in slots)
        return cls(**{**value, "slots": slots, "held_by": tuple(value.get("held_by", ()))})


def apply(use: SlotUse, event: Event) -> SlotUse:
    """Return the use after ``event``."""
    change = _CHANGES.get(event["event"])
    return use if change is None else change(use, event)


def _daemon_started(use: SlotUse, event: Event) -> SlotUse:
    """Let the spans of empty slots end; of an attempt it is not known yet whether it goes on."""
    slots = [_closed(slot) if slot.run_id is None else replace(slot, unwatched=True) for slot in use.slots]
    return SlotUse(slots=tuple(slots), install_s=use.install_s, most=event.get("slots"))


def _attempt_intended(use: SlotUse, event: Event) -> SlotUse:
    number = event["attempt"].get("slot") or use.lowest_free()  # a journal of before slots had numbers names none
    slots = use.slots + (Slot(),) * (number - len(use.slots))
    return _with(replace(use, slots=slots), number, run_id=event["run_id"])


def _run_adopted(use: SlotUse, event: Event) -> SlotUse:
    number = _number_of(use, event["run_id"])
    return use if number is None else _with(use, number, unwatched=False)


def _attempt_ended(use: SlotUse, event: Event) -> SlotUse:
    number = _number_of(use, event["run_id"])
    if number is None:  # launched before slots were told apart
        number = use.lowest_free()
        use = replace(use, slots=use.slots + (Slot(),) * (number - len(use.slots)))
    slot = use.slots[number - 1]
    if event["started_monotonic_s"] is not None and event["ended_monotonic_s"] is not None:
        slot = _used(slot, event["started_monotonic_s"], event["ended_monotonic_s"])
    if slot.unwatched or event["cause"] == EndCause.LOST:
        slot = _closed(slot)
    use = replace(use, slots=(*use.slots[: number - 1], slot, *use.slots[number:]))
    return _without_surplus(_with(use, number, run_id=None))


def _config_changed(use: SlotUse, event: Event) -> SlotUse:
    most = event.get("slots")
    return use if most is None or most == use.most else _without_surplus(replace(use, most=most))


def _without_surplus(use: SlotUse) -> SlotUse:
    """Let the spans of those empty slots end that the configuration has no use for any more: they are not idle."""
    if use.most is None:
        return use
    empty = [number for number, slot in enumerate(use.slots, 1) if slot.run_id is None]
    surplus = empty[max(0, use.most - (len(use.slots) - len(empty))) :]
    slots = (_closed(slot) if number in surplus else slot for number, slot in enumerate(use.slots, 1))
    return replace(use, slots=tuple(slots))


def _run_ended(use: SlotUse, event: Event) -> SlotUse:
    """Free the slot of a run that is over, where no ending of its attempt did."""
    number = _number_of(use, event["run_id"])
    return use if number is None else _with(use, number, run_id=None)


def _used(slot: Slot, start_s: float, end_s: float) -> Slot:
    last_s = start_s if slot.last_s is None else slot.last_s
    return replace(
        slot,
        busy_s=slot.busy_s + max(0.0, end_s - max(start_s, last_s)),
        paused_s=slot.paused_s + slot.held_s,
        held_s=0.0,
        first_s=start_s if slot.first_s is None else slot.first_s,
        last_s=max(last_s, end_s),
    )


def _held(use: SlotUse, event: Event) -> SlotUse:
    now_s = event.get("monotonic_s")
    if event["event"] == _INSTALL_BEGINS:
        use = replace(use, install_since_s=now_s)
    since_s = now_s if use.held_since_s is None else use.held_since_s
    return replace(use, held_since_s=since_s, held_by=(*use.held_by, event["event"]))


def _freed(use: SlotUse, event: Event) -> SlotUse:
    """Note how long the empty slots were held; it counts once they are used again."""
    now_s = event.get("monotonic_s")
    if event["event"] == _INSTALL_ENDS:
        use = replace(use, install_s=use.install_s + _length(use.install_since_s, now_s), install_since_s=None)
    held_by = tuple(one for one in use.held_by if _FREED_BY.get(one) != event["event"])
    if held_by:
        return replace(use, held_by=held_by)
    since_s, use = use.held_since_s, replace(use, held_since_s=None, held_by=())
    if since_s is None or now_s is None:
        return use
    return replace(use, slots=tuple(_after_hold(slot, since_s, now_s) for slot in use.slots))


def _after_hold(slot: Slot, since_s: float, now_s: float) -> Slot:
    if slot.run_id is not None or slot.last_s is None:
        return slot
    return replace(slot, held_s=slot.held_s + max(0.0, now_s - max(since_s, slot.last_s)))


def _closed(slot: Slot) -> Slot:
    span_s = slot.span_s + _length(slot.first_s, slot.last_s)
    return replace(slot, span_s=span_s, first_s=None, last_s=None, held_s=0.0, unwatched=False)


def _idle(busy_s: float, span_s: float) -> float:
    return round(min(1.0, max(0.0, 1.0 - busy_s / span_s)), 6)


def _length(first_s: float | None, last_s: float | None) -> float:
    return 0.0 if first_s is None or last_s is None else last_s - first_s


def _number_of(use: SlotUse, run_id: str) -> int | None:
    return next((number for number, slot in enumerate(use.slots, 1) if slot.run_id == run_id), None)


def _with(use: SlotUse, number: int, **changes: Any) -> SlotUse:
    slot = replace(use.slots[number - 1], **changes)
    return replace(use, slots=(*use.slots[: number - 1], slot, *use.slots[number:]))


_INSTALL_BEGINS, _INSTALL_ENDS = "environment_held", "environment_freed"
_FREED_BY = {"paused": "resumed", _INSTALL_BEGINS: _INSTALL_ENDS}
_CHANGES: dict[str, Callable[[SlotUse, Event], SlotUse]] = {
    "daemon_started": _daemon_started,
    "attempt_intended": _attempt_intended,
    "run_adopted": _run_adopted,
    "attempt_ended": _attempt_ended,
    "run_ended": _run_ended,
    "config_changed": _config_changed,
    **dict.fromkeys(_FREED_BY, _held),
    **dict.fromkeys(_FREED_BY.values(), _freed),
}
