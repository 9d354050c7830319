"""Let the configured ``test_command`` of a foreign repository score the run that was chosen.

Before it starts it is written down: as an opening, where sealed rows of a known name exist, and beside those rows, so
that it starts once for a reason. Only where an opening was recorded is it told of the sealed rows' folder.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_loop.contract.final_test import FinalTestResult, ScoreSource
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.request import json_value
from llm_loop.contract.sealed import MANIFEST, manifest_hash, read_openings, record_opening
from llm_loop.errors import ContractError, FileWriteError
from llm_loop.final_test.answered import ANSWER, MOST_BYTES, Taken, answer_of
from llm_loop.final_test.held import Bench, NoScoreError, last_words
from llm_loop.final_test.request import FinalTestRequest
from llm_loop.final_test.seen import is_recorded
from llm_loop.runs.command import start_form
from llm_loop.system import files
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.system.processes import resolve_program

STARTED = "final_test_started"
"""Begins the name of the file that says what was started, why and when, and what came of it."""
_LOCK = ".starting.lock"
SEALED_ROOT = "LLM_LOOP_SEALED_ROOT"


def score_by_command(asked: FinalTestRequest, command: str, bench: Bench) -> FinalTestResult:
    """Return the score. Raises LoopError with the reason why there is none."""
    folder, tokens = bench.scratch / "command", {"run_dir": str(asked.run_folder), "workspace": str(asked.workspace)}
    form = start_form(command, asked.shell, folder, tokens)
    environment = asked.base_environment()
    program = resolve_program(form.argv[0], environment["PATH"], asked.cwd)
    for file, text in form.files.items():
        files.replace_text(folder / file, text, durable=False)
    before = files.signature(asked.run_folder / ANSWER)
    with InstanceLock(asked.kept(STARTED).with_name(_LOCK), "another final test"):
        name = _name_of_rows(asked.sealed_root, asked.sealed_hash)
        if (earlier := read_started(asked)) is not None:
            return _kept(earlier, asked, is_known=name is not None)
        taken = _begin(asked, name)
    if taken.opening is not None:
        environment[SEALED_ROOT] = str(asked.sealed_root)
    printed = bench.run([program, *form.argv[1:]], environment, asked.cwd, asked.deadline_s)
    result = answer_of(asked, taken, printed, before)
    _note(asked, taken.opened_utc, result)
    return result


def read_started(asked: FinalTestRequest) -> dict[str, Any] | None:
    """Return what an earlier try for this reason left, of whatever run; None where there was none."""
    try:
        value = json_value(read_outside(asked.kept(STARTED), MOST_BYTES), STARTED)
    except (OSError, ContractError):
        return None
    return value if isinstance(value, dict) and value.get("why") == asked.why else None


def _begin(asked: FinalTestRequest, name: str | None) -> Taken:
    """Write down that it is about to start. Raises OpenedBeforeError, FileWriteError: then nothing may start."""
    now = datetime.now(UTC)
    utc = now.isoformat(timespec="seconds")
    _note(asked, utc, None)
    if name is None:
        return Taken(opened_utc=utc)
    is_open = False
    try:
        opening = record_opening(asked.sealed_root, name=name, why=asked.why, run=asked.run_id, now=now, once=True)
        is_open = True
    finally:
        if not is_open:
            with suppress(FileWriteError):
                files.remove(asked.kept(STARTED))
    number = read_openings(asked.sealed_root).number_of(opening)
    return Taken(opened_utc=opening.utc, opening=number, sealed_hash=opening.manifest_sha256)


def _name_of_rows(sealed_root: Path, sealed_hash: str | None) -> str | None:
    """Return under which name rows are sealed: those of the hash, or, where nobody tells one, the only ones there."""
    hashes = {path.parent.name: manifest_hash(path) for path in sorted(sealed_root.glob(f"*/{MANIFEST}"))}
    if sealed_hash is not None:
        return next((name for name, one in hashes.items() if one == sealed_hash), None)
    return next(iter(hashes)) if len(hashes) == 1 else None


def _note(asked: FinalTestRequest, utc: str, result: FinalTestResult | None) -> None:
    told = {
        "run_id": asked.run_id,
        "why": asked.why,
        "utc": utc,
        "result": None if result is None else result.to_json(),
    }
    files.replace_json(asked.kept(STARTED), told)


def _kept(earlier: dict[str, Any], asked: FinalTestRequest, *, is_known: bool) -> FinalTestResult:
    """Return the score of an earlier try. Raises NoScoreError where it left none: it is not started again."""
    run, utc = (last_words(str(earlier.get(name))) for name in ("run_id", "utc"))
    before = NoScoreError(
        f"the test_command was started for this reason for {run} at {utc} and left no score; it is not started twice"
    )
    if run != asked.run_id:
        raise NoScoreError(
            f"the test_command was started for this reason for {run} at {utc}; no other run is looked at"
        )
    try:
        result = FinalTestResult.from_json(earlier["result"], STARTED)
    except (ContractError, KeyError) as error:
        raise before from error
    is_its_own = (result.run_id, result.source) == (asked.run_id, ScoreSource.TEST_COMMAND)
    if not is_its_own or (is_known and not is_recorded(asked, result.opened_utc)):
        raise before
    return result
