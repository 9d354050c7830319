"""What the record of openings says of the final test that is asked for."""

from __future__ import annotations

from llm_loop.contract.sealed import Opening, read_openings
from llm_loop.final_test.request import FinalTestRequest


def opening_of(asked: FinalTestRequest) -> Opening | None:
    """Return the opening for this run and this reason, None where there was none. Raises CorruptFileError, OSError."""
    openings = read_openings(asked.sealed_root).openings
    return next((one for one in openings if (one.run, one.why) == (asked.run_id, asked.why)), None)


def is_recorded(asked: FinalTestRequest, opened_utc: str) -> bool:
    """Tell whether rows were opened for this run and this reason at that moment."""
    opening = opening_of(asked)
    return opening is not None and opening.utc == opened_utc
