"""Give checkouts back that nobody needs any more: a clean one serves the next call, the others are pruned in time."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.memory.journal import Event
from llm_loop.memory.state import LoopState
from llm_loop.versions.checkout import release


class CheckoutReleases:
    """Follow the journal; to release a checkout twice, or one that is gone, changes nothing."""

    def __init__(self, checkouts: Path) -> None:
        self._checkouts = checkouts

    def follow(self, event: Event, state: LoopState) -> None:
        """Release what an event says is not needed any more. Raises FileWriteError."""
        for checkout_id in _unneeded(event):
            with suppress(OSError):  # something else lies there: it is never taken again, and that is all
                release(self._checkouts, checkout_id)


def _unneeded(event: Event) -> Iterable[str]:
    match event["event"]:
        case "proposal":  # a call that left no change behind had its checkout under its own id
            call = event.get("call") or {}
            return [call["call_id"]] if call.get("report") is not None and event["record"].get("code") is None else []
        case "run_staged":
            code = event["run"].get("code") or {}
            own = None if code.get("place") is None else code["place"]["checkout_id"]
            return [one for one in _of(event["run"]["cycle_record"]["proposals"]) if one != own]
        case "cycle":
            return _of(event["proposals"])
        case _:
            return []


def _of(proposals: Iterable[dict[str, Any]]) -> list[str]:
    return [record["code"]["checkout"] for record in proposals if record.get("code")]
