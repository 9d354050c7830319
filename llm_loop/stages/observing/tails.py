"""The ends of growing texts: workpad, mentor notes, storyline, the log of a failed run. Never a whole file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llm_loop.contract.context import FailedRun, LogTail
from llm_loop.contract.outside_file import open_outside
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import FAILED, Run
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.state import LoopState
from llm_loop.system import files

WORKPAD_CHARACTERS = 6_000
MENTOR_NOTES_CHARACTERS = 3_000
STORYLINE_CHARACTERS = 2_000
LOG_CHARACTERS = 2_000
MENDING_CHARACTERS = 6_000
_WORKPAD_BYTES = 2_000_000
_BYTES_A_CHARACTER = 4
_HEADING = b"\n## "
_HEADING_BYTES = 200
_MOST_SECTIONS = 4
_Signature = tuple[int, int] | None


def tail(path: Path, characters: int) -> str:
    """Return the last characters of a text file, from a line's beginning; "" when it cannot be read."""
    return _from_a_line(_tail(path, files.signature(path), characters * _BYTES_A_CHARACTER), characters)


def workpad_tail(path: Path, characters: int = WORKPAD_CHARACTERS) -> str:
    """Return the end of each section of the workpad: the last one does not hide the others.

    Sections that ended more than 2 MB before the file's end are not seen.
    """
    return _workpad_tail(path, files.signature(path), characters)


def failed_log(paths: WorkspacePaths, state: LoopState, rows: list[HistoryRow]) -> LogTail | None:
    """Return the end of what the last run printed when it failed; None when it did not, or its log is not known.

    The name of the log is taken from the loop's own state, never from the run's folder, which the run can write.
    """
    last = rows[-1] if rows else None
    known = state.last_completed_run or {}
    if last is None or last.state not in FAILED or known.get("run_id") != last.run_id or not known.get("log_tag"):
        return None
    for name in (f"{known['log_tag']}.stderr.log", f"{known['log_tag']}.stdout.log"):
        if (text := tail(paths.logs / name, LOG_CHARACTERS)).strip():
            return LogTail(run_id=last.run_id, file=name, text=text)
    return None


def run_to_mend(paths: WorkspacePaths, run: Run | None) -> FailedRun | None:
    """Return what is known of a run under repair that an agent shall mend, None for no such run."""
    trouble = None if run is None else run.procedure.trouble
    if run is None or trouble is None or trouble.diagnosis is None:
        return None
    tag = run.last_attempt.log_tag if run.attempts else None
    logs = [] if tag is None else [paths.logs / f"{tag}.{name}.log" for name in ("stderr", "stdout")]
    texts = (tail(log, MENDING_CHARACTERS) for log in logs)
    return FailedRun(
        run_id=run.run_id,
        label=run.label,
        command=run.command,
        phase=trouble.phase.value,
        cause=trouble.diagnosis.cause.value,
        evidence_line=trouble.diagnosis.evidence_line,
        what_failed=trouble.detail,
        attempted=tuple(f"{done.mend.why}: {done.mend.outcome or '-'}" for done in run.procedure.mends),
        edited=tuple(entry["path"] for entry in (run.code.change or {}).get("files", ())),
        log=next((text for text in texts if text.strip()), ""),
    )


@lru_cache(maxsize=8)
def _tail(path: Path, signature: _Signature, max_bytes: int) -> str:
    """Read the end of a file once for as long as its signature stands."""
    return _text(_last_bytes(path, signature, max_bytes))


@lru_cache(maxsize=2)
def _workpad_tail(path: Path, signature: _Signature, characters: int) -> str:
    data = _last_bytes(path, signature, _WORKPAD_BYTES)
    data = data.replace(b"\r\n", b"\n") if b"\r" in data else data
    first, *others = data.rsplit(_HEADING, _MOST_SECTIONS)
    ends = [_section_end(part, characters) for part in (first, *(_HEADING[1:] + other for other in others))]
    parts = [part for part in ends if part.strip()]
    shares = _shares([len(part) for part in parts], characters)
    return "\n".join(_section_tail(part, share).rstrip("\n") for part, share in zip(parts, shares, strict=True))


def _section_end(part: bytes, characters: int) -> str:
    """Return a section's heading and its end, decoded; never much more than ``characters`` of it."""
    most = characters * _BYTES_A_CHARACTER
    if len(part) <= most:
        return _text(part)
    heading = part[: part.find(b"\n") + 1][:_HEADING_BYTES] if part.startswith(_HEADING[1:]) else b""
    return _text(heading + part[-most:].partition(b"\n")[2])


def _last_bytes(path: Path, signature: _Signature, max_bytes: int) -> bytes:
    """Return the end of a file, from a line's beginning; b"" when it cannot be read."""
    if signature is None:
        return b""
    try:
        with open_outside(path) as stream:
            stream.seek(max(0, signature[1] - max_bytes))
            data = stream.read(max_bytes)
    except OSError:
        return b""
    return data if signature[1] <= max_bytes else data[data.find(b"\n") + 1 :]


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n")


def _from_a_line(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    cut = text[-characters:]
    line_end = cut.find("\n")
    return cut[line_end + 1 :] if 0 <= line_end < len(cut) - 1 else cut


def _shares(lengths: list[int], characters: int) -> list[int]:
    """Split the characters evenly; what a short section leaves goes to the others."""
    shares, left = [0] * len(lengths), characters
    for count, place in enumerate(sorted(range(len(lengths)), key=lambda place: lengths[place])):
        shares[place] = min(lengths[place], left // (len(lengths) - count))
        left -= shares[place]
    return shares


def _section_tail(part: str, share: int) -> str:
    """Return a section's heading and its last lines, within ``share`` characters."""
    if len(part) <= share:
        return part
    heading, _, body = part.partition("\n") if part.startswith("## ") else ("", "", part)
    lead = f"{heading}\n" if heading else ""
    return lead + _from_a_line(body, share - len(lead)) if share > len(lead) else ""
