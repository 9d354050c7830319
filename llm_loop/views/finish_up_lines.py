"""A finish-up, as lines for people: a wish that was just made, and how one stands."""

from __future__ import annotations

from datetime import datetime

from llm_loop.contract.finish_up import FinishUpWish
from llm_loop.memory.finish_up import Phase
from llm_loop.system.clock import utc_text
from llm_loop.views.snapshot import FinishUp
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import duration, local_time, seconds_between, typed


def wish_lines(wish: FinishUpWish, now: datetime) -> list[str]:
    """Return the wish as lines for people, times local."""
    if not wish.is_open:
        return [f"Finish-up ({wish.status.value if wish.enabled else 'not enabled'}): nothing is wished any more."]
    to_go, left = (wish.activate_at - now).total_seconds(), (wish.deadline - now).total_seconds()
    begins = f"opens {local_time(utc_text(wish.activate_at))}, in {duration(to_go)}" if to_go > 0 else "is open"
    ends = f"report by {local_time(utc_text(wish.deadline))}" + (
        f", in {duration(left)}" if left > 0 else ", which is over"
    )
    rounds = f"{wish.rounds} final training round{'' if wish.rounds == 1 else 's'}"
    lines = [f"Finish-up ({wish.status.value}): the window {begins}; {ends}."]
    lines.append(
        "  The report at once." if wish.report_now else f"  {rounds}, then the report with {wish.top_k} places."
    )
    return lines + ([f"  Note: {clean(wish.note, 300)}"] if wish.note else [])


def finish_up_words(finish_up: FinishUp, taken_utc: str) -> str | None:
    """Say how the finish-up stands, in a sentence or two; None where none is wished. Times are local."""
    if finish_up.trouble is not None:
        phase = "" if finish_up.phase is None else f" (the one of before goes on: {finish_up.phase.replace('_', ' ')})"
        return f"finish-up: refused, and left as it is{phase}: {finish_up.trouble}"
    if not finish_up.present or finish_up.deadline_utc is None:
        return None
    left = seconds_between(taken_utc, finish_up.deadline_utc)
    ends = f"report by {local_time(finish_up.deadline_utc)}" + (f", in {duration(left)}" if left else "")
    if finish_up.phase == Phase.DONE or finish_up.status in ("done", "closed"):
        return f"finish-up: done; `{typed('finishup --cancel')}` lets the loop go on"
    if finish_up.phase == Phase.FINAL_TRAINING:
        return f"finish-up: final training {finish_up.rounds_begun} of {finish_up.rounds}; {ends}"
    if finish_up.phase == Phase.REPORTING:
        return f"finish-up: the report is being written; {ends}"
    if finish_up.status == "cancelled":
        return None
    to_go = seconds_between(taken_utc, finish_up.activate_at_utc)
    opens = f"opens {local_time(finish_up.activate_at_utc)}" + (
        f", in {duration(to_go)}" if to_go and to_go > 0 else ""
    )
    return f"finish-up: {opens}; {ends}"
