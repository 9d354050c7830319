"""How to get a run again: the commands, the hashes that it is known by, and where its weights lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llm_loop.memory.history import HistoryRow
from llm_loop.report.document import Code, Text
from llm_loop.report.facts import Facts
from llm_loop.views.untrusted import text_of, whole_of

_WEIGHTS = "best_model.pt"
_COMMAND_CHARACTERS = 2_000


def commands_for(row: HistoryRow) -> tuple[str, ...]:
    """Return what to type, in the folder of the workspace."""
    return f"llm-loop reproduce {row.run_id}", f"llm-loop export {row.run_id} exported_{row.run_id}"


def weights_of(facts: Facts, row: HistoryRow) -> Path | None:
    """Return where the weights of a run's best epoch lie, None where they are not there."""
    folder = facts.attempt_folder(row.run_id)
    path = None if folder is None else folder / _WEIGHTS
    return path if path is not None and path.is_file() else None


def identity_of(row: HistoryRow) -> Iterator[tuple[str, Text]]:
    """Yield what a run is known by, with its name; what is not known is said so."""
    result = row.result
    seed = None if result is None else whole_of(result.seed)
    yield "config hash (without the seed)", _code(row.config_hash)
    yield "code version", _code(row.code_version)
    yield "data hash", _code(row.data_hash)
    yield "trainer version", _code(None if result is None else result.trainer_version)
    yield "seed", "not known" if seed is None else str(seed)
    yield "command", Code(text_of(row.command, _COMMAND_CHARACTERS) or "not known")


def _code(value: object) -> Text:
    text = text_of(value, 120)
    return "not known" if text is None else Code(text)
