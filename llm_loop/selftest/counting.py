"""Count what a bad night cost: what was lost, doubled, left behind or spoiled, from the files of a workspace alone.

Every count is 0 after a good night. The loop has ended when this looks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CorruptFileError
from llm_loop.memory.folding import apply_all
from llm_loop.memory.journal_parts import older_parts
from llm_loop.memory.state import LoopState, load

Events = list[dict[str, Any]]


class JournalWatch:
    """Look at a journal again and again, and count how often a line that was once there has gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = b""
        self.lines_lost = 0

    def look(self) -> None:
        """Compare the journal with what it held before."""
        self.lines_lost += not self.whole_lines().startswith(self._seen)
        self.forget_the_rest()

    def forget_the_rest(self) -> None:
        """Take the journal as it stands for all there ever was."""
        self._seen = self.whole_lines()

    def whole_lines(self) -> bytes:
        """Return the journal, all its parts, up to its last line break."""
        older = b"".join(part.path.read_bytes() for part in older_parts(self._path))
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        return older + data[: data.rfind(b"\n") + 1]

    def events(self, kind: str | None = None) -> Events:
        """Return the journal's events, of one kind or all; lines that do not parse are no events."""
        found = _parsed(self.whole_lines().decode("utf-8", "replace"))
        return [event for event in found if kind in (None, event.get("event"))]


def count_events(events: Events) -> dict[str, int]:
    """Count what the journal itself tells."""
    kinds: dict[str, Events] = {}
    for event in events:
        kinds.setdefault(event["event"], []).append(event)
    staged = Counter(event["run"]["run_id"] for event in kinds.get("run_staged", []))
    ended = Counter(event["run_id"] for event in kinds.get("run_ended", []))
    opened = Counter(event["cycle_trace_id"] for event in kinds.get("cycle_opened", []))
    closed = Counter(event["cycle_trace_id"] for event in kinds.get("cycle", []))
    attempts = Counter((event["run_id"], event["attempt"]["number"]) for event in kinds.get("attempt_intended", []))
    ends = Counter(event["state"] for event in kinds.get("run_ended", []))
    return {
        "gaps in seq": int([event["seq"] for event in events] != list(range(1, len(events) + 1))),
        "runs staged twice": _doubled(staged),
        "runs without an end": len(set(staged) - set(ended)),
        "runs ended twice": _doubled(ended),
        "runs lost": ends["lost"] + ends["failed"] + ends["needs_human"],
        "cycles without an end": len(set(opened) - set(closed)),
        "cycles closed twice": _doubled(closed),
        "attempts intended twice": _doubled(attempts),
        "errors journaled": len(kinds.get("error", [])),
    }


def count_files(paths: WorkspacePaths, events: Events) -> dict[str, int]:
    """Count what the files that follow the journal have wrong."""
    ended = [event for event in events if event["event"] == "run_ended"]
    ran = {event["run_id"] for event in ended if event["row"]["attempts"]}
    history = Counter(row["run_id"] for row in _lines(paths.history))
    closed = [event["cycle_trace_id"] for event in events if event["event"] == "cycle"]
    story = paths.storyline.read_text("utf-8") if paths.storyline.exists() else ""
    return {
        "history rows wrong": len(ran ^ set(history)) + _doubled(history),
        "summaries wrong": int([line["cycle_trace_id"] for line in _lines(paths.cycle_summaries)] != closed),
        "storyline wrong": sum(story.count(f"trace={trace} ") != 1 for trace in dict.fromkeys(closed)),
        "state.json wrong": int(not _is_folded(paths.state, events)),
        "files that do not parse": len(unparsable(paths)),
    }


def count_words(lines: Iterable[str]) -> int:
    """Count the lines that stand more than once, such as calls made twice."""
    return _doubled(Counter(lines))


def unparsable(paths: WorkspacePaths) -> list[Path]:
    """Return the JSON and JSONL files of the loop that do not parse."""
    found = []
    for path in paths.loop.rglob("*.json*"):
        if path.suffix not in (".json", ".jsonl") or path.name.startswith("."):
            continue
        try:
            text = path.read_text("utf-8")
            for part in [text] if path.suffix == ".json" else text.split("\n"):
                if part.strip():
                    json.loads(part)
        except ValueError:
            found.append(path)
    return found


def _doubled(counter: Counter[Any]) -> int:
    return sum(count > 1 for count in counter.values())


def _lines(path: Path) -> Events:
    if not path.exists():
        return []
    return _parsed(path.read_text(encoding="utf-8", errors="replace"))


def _parsed(text: str) -> Events:
    """Return the objects of JSON lines; a line that does not parse is left to ``unparsable``."""
    found = []
    for line in text.split("\n"):
        with suppress(ValueError):
            found.append(json.loads(line))
    return [value for value in found if isinstance(value, dict)]


def _is_folded(path: Path, events: Events) -> bool:
    """Tell whether ``state.json`` is what the journal, read from its beginning, comes to."""
    try:
        kept = load(path)
    except CorruptFileError:
        return False
    return kept is not None and _as_json(kept) == _as_json(apply_all(LoopState(), events))


def _as_json(state: LoopState) -> Any:
    return json.loads(json.dumps(state.to_json()))
