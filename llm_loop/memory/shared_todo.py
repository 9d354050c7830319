"""``shared_todo.md``: what worker, mentor and person mean to do, under ids that stay.

    - [ ] [C0002-W01] AI-Builder: text             worker (M: mentor), first of its list in cycle 2
    - [x] [C0002-W02] AI-Builder: text (resolved by AI-Builder C0007)
    - [ ] [P01] text                               a person's line, numbered by the loop

The backlog is bounded by narrowing the worker's share: two new ones a cycle, one from 24 open, and
from 48 open one only in exchange for one that is resolved in the same decision. The mentor has one
each time it challenges. Open ones are always counted in the whole file, a person's included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_loop.contract.observation import OpenTodo
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.markdown_file import HumanEdit, MarkdownFile
from llm_loop.memory.markdown_text import one_line
from llm_loop.memory.older_lines import move_older_lines
from llm_loop.memory.todo_similarity import refusal
from llm_loop.memory.todo_text import numbered, older_resolved, open_todos, tasks, ticked, with_lines
from llm_loop.system.clock import Clock

LINE_CHARACTERS = 220
WORKER_CAP = 2
MENTOR_CAP = 1
SOFT_LIMIT = 24
HARD_LIMIT = 48
LONGEST_BYTES = 20_000
_FOCUS = 4
_START = "# Shared TODO\n"


class Author(StrEnum):
    """Who adds an entry: the letter in its id."""

    WORKER = "W"
    MENTOR = "M"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedTodo:
    """Hold a text that was not added, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOutcome:
    """Say which ids were added and what was refused.

    ``repeated`` is True when the file already holds an entry of this cycle and author: the addition
    was made before, and nothing was done.
    """

    added: tuple[str, ...] = ()
    refused: tuple[RefusedTodo, ...] = ()
    repeated: bool = False
    human_edit: HumanEdit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOutcome:
    """Say which ids were ticked, which were before, and which nobody knows."""

    resolved: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    human_edit: HumanEdit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Hold what an author wants to add in one cycle. ``resolved_now`` counts what the same decision resolved."""

    texts: tuple[str, ...]
    author: Author
    display_name: str
    cycle: int
    resolved_now: int = 0

    def id(self, place: int) -> str:
        """Return the id of the text at ``place`` (from 1); a refused one leaves a gap."""
        return f"C{self.cycle:04d}-{self.author.value}{place:02d}"


class SharedTodo(MarkdownFile):
    """Hold ``.llm_loop/artifacts/shared_todo.md``."""

    def __init__(self, paths: WorkspacePaths, clock: Clock) -> None:
        super().__init__(paths.shared_todo, paths.kept_versions, start=_START, clock=clock)

    def open_todos(self) -> tuple[OpenTodo, ...]:
        """Return every open entry of the whole file, in its order. Raises FileWriteError."""
        return open_todos(self.read())

    def add(self, addition: Addition) -> AddOutcome:
        """Add an author's texts, each one line of at most 220 characters. Raises FileWriteError.

        From a page that is too long the agents' entries that were resolved long ago move to ``shared_todo.older.md``.
        """
        outcome = AddOutcome()

        def change(text: str) -> str:
            nonlocal outcome
            text, outcome = with_addition(numbered(text), addition)
            return text

        written = self.rewrite(change)
        moved = move_older_lines(self, older_resolved, LONGEST_BYTES)
        return AddOutcome(
            added=outcome.added,
            refused=outcome.refused,
            repeated=outcome.repeated,
            human_edit=written.human_edit or moved.human_edit,
        )

    def resolve(self, ids: Sequence[str], *, by: str, cycle: int) -> ResolveOutcome:
        """Tick entries, with the display name ``by`` and the cycle behind them. Raises FileWriteError.

        An id may be given in any case and in brackets.
        """
        wanted = tuple(dict.fromkeys(entry.strip().strip("[]").upper()[:64] for entry in ids))
        outcome = ResolveOutcome()

        def change(text: str) -> str:
            nonlocal outcome
            text = numbered(text)
            outcome = _sorted_ids(text, wanted)
            return ticked(text, set(outcome.resolved), _name(by), cycle)

        written = self.rewrite(change)
        return ResolveOutcome(
            resolved=outcome.resolved,
            already=outcome.already,
            unknown=outcome.unknown,
            human_edit=written.human_edit,
        )


def cap(author: Author, open_count: int, resolved_now: int) -> int:
    """Return how many entries an author may add with ``open_count`` open ones in the file."""
    if author is Author.MENTOR:
        return MENTOR_CAP
    if open_count < SOFT_LIMIT:
        return WORKER_CAP
    return 1 if open_count < HARD_LIMIT else min(1, resolved_now)


def with_addition(text: str, addition: Addition) -> tuple[str, AddOutcome]:
    """Return ``text`` (its lines numbered) with the entries that may be added, and what became of each."""
    first_id = addition.id(0)[:-2]
    if any(task.id and task.id.startswith(first_id) for task in tasks(text)):
        return text, AddOutcome(repeated=True)
    others = list(open_todos(text))
    allowed, open_count = cap(addition.author, len(others), addition.resolved_now), len(others)
    added: dict[str, str] = {}
    refused = []
    for place, raw in enumerate(addition.texts, 1):
        line = one_line(raw, LINE_CHARACTERS)
        reason = refusal(line, others)
        if reason is None and len(added) >= allowed:
            reason = f"{open_count} are open: {allowed} new a cycle"
        if reason is not None:
            refused.append(RefusedTodo(text=line, reason=reason))
            continue
        todo_id = addition.id(place)
        added[todo_id] = f"- [ ] [{todo_id}] {_name(addition.display_name)}: {line}"
        others.append(OpenTodo(id=todo_id, text=line))
    return with_lines(text, list(added.values())), AddOutcome(added=tuple(added), refused=tuple(refused))


def focus(todos: Sequence[OpenTodo]) -> tuple[OpenTodo, ...]:
    """Return what a prompt shows: the 4 oldest and the 4 newest, each text once."""
    picked = [*todos[:_FOCUS], *todos[_FOCUS:][-_FOCUS:]]
    texts: dict[str, OpenTodo] = {}
    for todo in picked:
        texts.setdefault(todo.text.casefold(), todo)
    return tuple(texts.values())


def _sorted_ids(text: str, wanted: tuple[str, ...]) -> ResolveOutcome:
    known = {task.id for task in tasks(text)}
    still_open = {task.id for task in tasks(text) if task.is_open}
    return ResolveOutcome(
        resolved=tuple(entry for entry in wanted if entry in still_open),
        already=tuple(entry for entry in wanted if entry in known - still_open),
        unknown=tuple(entry for entry in wanted if entry and entry not in known),
    )


def _name(display_name: str) -> str:
    """Return a display name that can stand before a colon and inside brackets."""
    return one_line(display_name.translate(str.maketrans(":()[]", "     ")), 40) or "unnamed"
