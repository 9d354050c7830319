"""Look at ``FINISH_UP.json``: take up a wish, a change of it, its end; refuse what is none, and leave that as it is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.contract.finish_up import FinishUpStatus, FinishUpWish, WishDefaults, read_wish, wish_of
from llm_loop.cycle.context import Context
from llm_loop.errors import ContractError, FileWriteError
from llm_loop.memory.finish_up import Phase
from llm_loop.system import files
from llm_loop.system.clock import Every

_LOOK_S = 1.0
_STATUS = {
    Phase.FINAL_TRAINING: FinishUpStatus.ACTIVE,
    Phase.REPORTING: FinishUpStatus.ACTIVE,
    Phase.DONE: FinishUpStatus.DONE,
}


class WishWatch:
    """Follow the control file; what it says is journaled once and holds from then on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._due = Every(_LOOK_S)
        self._seen: tuple[int, int] | None = None
        self._refused: str | None = None
        self._told: FinishUpStatus | None = None
        self._known: tuple[dict[str, Any] | None, FinishUpWish | None] = None, None

    @property
    def path(self) -> Path:
        """The control file (``finishup_control_file``)."""
        return self._context.config.finishup_control_file

    @property
    def trouble(self) -> str | None:
        """Why the file that lies there is no wish; None where it is one, or none is there."""
        return self._refused

    def wish(self) -> FinishUpWish | None:
        """Return the wish that the journal holds."""
        value = self._context.ledger.state.finish_up.wish
        if value is not self._known[0]:  # looked at several times in each tick
            self._known = value, None if value is None else wish_of(value, "the journal's wish", self._defaults())
        return self._known[1]

    def look(self, now_s: float) -> bool:
        """Take up what has changed; tell whether it did. Raises FileWriteError."""
        if not self._due.due(now_s):
            return False
        signature = files.signature(self.path)
        if signature is None:
            if not self.path.parent.is_dir():  # a drive that is away takes no wish back
                return False
            self._seen = self._refused = self._told = None
            return self._end("the file was taken away")
        if signature == self._seen:
            self._tell_again()
            return False
        try:
            wish = read_wish(self.path, self._defaults())
        except FileNotFoundError:
            return False
        except ContractError as error:
            self._refuse(str(error))
            self._seen = signature
            return False
        changed = self._take(wish)
        self._seen, self._refused, self._told = signature, None, wish.status if wish.is_open else None
        self._tell_again(is_taken=changed)
        return changed

    def tell(self, status: FinishUpStatus) -> None:
        """Write into the file where its wish stands.

        Not over what a person has put there since the last look, nor over what is no wish: that is looked at first. A
        file that cannot be written now is tried again with each look.
        """
        wish = self.wish()
        if wish is None or self._refused is not None or self._seen is None:
            return
        with suppress(FileWriteError):
            said = files.file_text({**wish.to_json(), "status": status.value})
            written = files.replace_text_if(self.path, said, self._is_as_seen, make_folder=False)
            if written is not None:
                self._seen, self._told = written, status

    def _is_as_seen(self) -> bool:
        return files.signature(self.path) == self._seen

    def bring_forward(self, wish: FinishUpWish, why: str) -> None:
        """Let the window open now: the search is over before its time. Raises FileWriteError."""
        self._context.ledger.record("finish_up_scheduled", wish=wish.to_json(), why=why)
        self.tell(wish.status)

    def _tell_again(self, *, is_taken: bool = False) -> None:
        """Write what the file does not say yet: the moments that it left out, or where its wish stands.

        A restart must not move those moments; a daemon that was killed, or a file that was held open, has kept the rest
        from being written.
        """
        known = self._context.ledger.state.finish_up
        if known.wish is None or known.phase is None or self._told is None:
            return
        wanted = _STATUS.get(known.phase, self._told)
        if is_taken or wanted is not self._told:
            self.tell(wanted)

    def _defaults(self) -> WishDefaults:
        config = self._context.config
        return WishDefaults(
            minutes=float(config.finishup_default_minutes_left),
            top_k=config.finishup_default_report_top_k,
            now=self._context.clock.utc_now(),
        )

    def _take(self, wish: FinishUpWish) -> bool:
        """Journal a wish that is new, or not as it was; one of before a finish-up that is done is over with it."""
        known = self._context.ledger.state.finish_up
        if not wish.is_open:
            return known.phase is not Phase.DONE and self._end(f"its status is {wish.status.value}")
        value = wish.to_json()
        if known.wish is not None and _same(known.wish, value):
            return False
        opens_later = wish.activate_at > self._context.clock.utc_now()
        self._context.ledger.record("finish_up_scheduled", wish=value, opens_later=opens_later)
        return True

    def _end(self, why: str) -> bool:
        if self._context.ledger.state.finish_up.phase is None:
            return False
        self._context.ledger.record("finish_up_cancelled", why=why)
        return True

    def _refuse(self, why: str) -> None:
        if why != self._refused:
            self._context.ledger.record("finish_up_refused", why=why)
            self._refused = why


def _same(known: dict[str, object], value: dict[str, object]) -> bool:
    """Tell whether two wishes are one: whatever their status says."""
    return {**known, "status": None} == {**value, "status": None}
