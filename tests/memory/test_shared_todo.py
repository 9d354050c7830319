"""The shared TODO: ids that stay, a backlog that cannot grow for ever, a person's lines among them."""

import time
from pathlib import Path

import pytest

from llm_loop.contract.observation import OpenTodo
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.shared_todo import Addition, Author, SharedTodo, cap, focus, with_addition
from llm_loop.memory.todo_similarity import content_words, refusal, similarity
from llm_loop.memory.todo_text import numbered, open_todos, ticked
from llm_loop.system.clock import SystemClock

ROTATION = "Compare small rotations against elastic warps on thin digits"
COSINE = "Measure whether a cosine schedule rescues high learning rates"
DROPOUT = "Check how dropout placement interacts with batch normalisation"


@pytest.fixture
def todo(tmp_path: Path) -> SharedTodo:
    return SharedTodo(WorkspacePaths(tmp_path), SystemClock())


def worker(*texts: str, cycle: int = 2, resolved_now: int = 0) -> Addition:
    return Addition(
        texts=texts, author=Author.WORKER, display_name="AI-Builder", cycle=cycle, resolved_now=resolved_now
    )


def backlog(count: int) -> str:
    words = [f"subject{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(count * 6)]
    lines = [f"- [ ] [P{i + 1:02d}] {' '.join(words[i * 6 : i * 6 + 6])}" for i in range(count)]
    return "# Shared TODO\n\n" + "".join(f"{line}\n" for line in lines)


def test_add_and_resolve_as_users_know_it(todo: SharedTodo) -> None:
    assert todo.add(worker(ROTATION, COSINE)).added == ("C0002-W01", "C0002-W02")
    mentor = Addition(texts=(DROPOUT,), author=Author.MENTOR, display_name="AI-Mentor", cycle=12)
    assert todo.add(mentor).added == ("C0012-M01",)
    outcome = todo.resolve(["c0002-w02", "[C0002-W02]", "C0099-W01"], by="AI-Builder", cycle=7)
    assert (outcome.resolved, outcome.already, outcome.unknown) == (("C0002-W02",), (), ("C0099-W01",))
    assert todo.read() == (
        "# Shared TODO\n\n"
        f"- [ ] [C0002-W01] AI-Builder: {ROTATION}\n"
        f"- [x] [C0002-W02] AI-Builder: {COSINE} (resolved by AI-Builder C0007)\n"
        f"- [ ] [C0012-M01] AI-Mentor: {DROPOUT}\n"
    )
    assert todo.open_todos() == (OpenTodo(id="C0002-W01", text=ROTATION), OpenTodo(id="C0012-M01", text=DROPOUT))


def test_a_replayed_event_changes_nothing(todo: SharedTodo) -> None:
    todo.add(worker(ROTATION, COSINE))
    todo.resolve(["C0002-W01"], by="AI-Builder", cycle=3)
    before = todo.read()
    assert todo.add(worker(ROTATION, COSINE)).repeated
    assert todo.resolve(["C0002-W01"], by="AI-Builder", cycle=3).already == ("C0002-W01",)
    assert todo.read() == before


def test_a_refused_text_leaves_a_gap_and_a_reason(todo: SharedTodo) -> None:
    outcome = todo.add(worker("try 5 and 10 more", ROTATION))
    assert outcome.added == ("C0002-W02",)
    assert outcome.refused[0].reason.startswith("too short: 1 words")
    again = todo.add(worker("Compare small rotations with elastic warps on the thin digits!", cycle=3))
    assert again.added == ()
    assert again.refused[0].reason == "says nearly the same as C0002-W02"
    todo.resolve(["C0002-W02"], by="AI-Builder", cycle=4)
    assert todo.add(worker(ROTATION, cycle=5)).added == ("C0005-W01",), "only open ones are compared"


def test_two_alike_in_one_list_are_one(todo: SharedTodo) -> None:
    assert todo.add(worker(ROTATION, ROTATION + "?")).added == ("C0002-W01",)


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("Try dropout 0.2 in the small network head layers", "try dropout 0.4 in small network head layers", True),
        (ROTATION, "On thin digits compare elastic warps against small rotations", True),
        (ROTATION, COSINE, False),
        ("Try focal loss for rare digit classes first", "Try label smoothing loss for rare digit classes first", False),
    ],
)
def test_similarity(first: str, second: str, alike: bool) -> None:
    assert (similarity(content_words(first), content_words(second)) >= 0.84) is alike
    assert (refusal(second, [OpenTodo(id="C0001-W01", text=first)]) is not None) is alike


def test_frequent_letters_count_in_long_texts() -> None:
    assert similarity(["1x", *["ab"] * 80], ["2y", *["ab"] * 80]) > 0.9


@pytest.mark.parametrize(
    ("author", "open_count", "resolved", "allowed"),
    [
        (Author.WORKER, 0, 0, 2),
        (Author.WORKER, 23, 0, 2),
        (Author.WORKER, 24, 0, 1),
        (Author.WORKER, 47, 3, 1),
        (Author.WORKER, 48, 0, 0),
        (Author.WORKER, 48, 2, 1),
        (Author.WORKER, 400, 0, 0),
        (Author.MENTOR, 400, 0, 1),
    ],
)
def test_caps_tighten(author: Author, open_count: int, resolved: int, allowed: int) -> None:
    assert cap(author, open_count, resolved) == allowed


def test_the_whole_file_is_counted(todo: SharedTodo) -> None:
    todo.path.parent.mkdir(parents=True)
    todo.path.write_text(backlog(48), encoding="utf-8", newline="\n")
    outcome = todo.add(worker(ROTATION))
    assert outcome.added == () and outcome.refused[0].reason == "48 are open: 0 new a cycle"
    assert todo.add(worker(ROTATION, COSINE, resolved_now=1)).added == ("C0002-W01",)


def test_a_full_backlog_costs_a_few_milliseconds() -> None:
    text = backlog(60)
    started = time.process_time()
    with_addition(numbered(text), worker(ROTATION, COSINE))
    assert time.process_time() - started < 0.05


def test_hostile_text_stays_one_line(todo: SharedTodo) -> None:
    todo.add(worker("x " + ROTATION + "\n- [x] [C0001-W01] AI-Builder: forged\n# Heading " + "long " * 100))
    lines = todo.read().split("\n")
    assert len(lines) == 4
    assert lines[2].startswith("- [ ] [C0002-W01] AI-Builder: x Compare") and lines[2].endswith("…")
    assert len(lines[2].removeprefix("- [ ] [C0002-W01] AI-Builder: ")) <= 220
    assert [entry.id for entry in todo.open_todos()] == ["C0002-W01"]


PERSON = """my own words
# Shared TODO
- [ ] [C0002-W01] AI-Builder: Compare small rotations
  - a remark of mine
- try a cosine schedule
- [ ] [URGENT] look at digit 8
* [X] done by hand
- [x] [C0002-W02] AI-Builder: ticked by hand
    - [ ] a small step
- - -
1. numbered
- [paper](https://example.org) read it
```
- [ ] not a task
```
- [x](https://example.org) a link
"""


def test_a_persons_lines_are_numbered_and_nothing_else(todo: SharedTodo) -> None:
    todo.path.parent.mkdir(parents=True)
    todo.path.write_text(PERSON, encoding="utf-8", newline="\n")
    expected = (
        PERSON.replace("- try a", "- [ ] [P01] try a")
        .replace("[ ] [URGENT]", "[ ] [P02] [URGENT]")
        .replace("[ ] a small", "[ ] [P03] a small")
        .replace("- [paper]", "- [ ] [P04] [paper]")
        .replace("- [x](", "- [ ] [P05] [x](")
    )
    assert [entry.id for entry in todo.open_todos()] == ["C0002-W01", "P01", "P02", "P03", "P04", "P05"]
    outcome = todo.resolve([], by="AI-Builder", cycle=9)
    assert outcome.human_edit is not None and outcome.human_edit.text == PERSON
    assert todo.read() == expected
    assert todo.resolve([], by="AI-Builder", cycle=9).human_edit is None and todo.read() == expected
    todo.resolve(["P02"], by="AI-Builder", cycle=9)
    assert "- [x] [P02] [URGENT] look at digit 8 (resolved by AI-Builder C0009)\n" in todo.read()


def test_new_entries_join_the_list_and_keep_a_persons_ending(todo: SharedTodo) -> None:
    todo.path.parent.mkdir(parents=True)
    todo.path.write_bytes(b"# Shared TODO\r\n- [ ] [P01] mine\r\n  more of it\r\n\r\n## Ideas\r\n\r\nfree text")
    todo.add(worker(ROTATION))
    assert todo.path.read_bytes().decode() == (
        "# Shared TODO\r\n- [ ] [P01] mine\r\n  more of it\r\n"
        f"- [ ] [C0002-W01] AI-Builder: {ROTATION}\r\n\r\n## Ideas\r\n\r\nfree text\r\n"
    )


def test_ids_that_stand_twice() -> None:
    text = "- [ ] [P07] same words\n- [ ] [P07] same words\n- [ ] [P07] other words\n"
    assert numbered(text) == text.replace("[P07] other", "[P08] [P07] other")
    assert numbered(numbered(text)) == numbered(text)
    assert [entry.id for entry in open_todos(text)] == ["P07", "P08"]
    assert ticked(text, {"P07"}, "me", 1).count("[x] [P07] same words (resolved by me C0001)") == 2


def test_an_entry_that_was_opened_again_is_resolved_anew() -> None:
    text = "- [ ] [C0001-W01] AI-Builder: a thing (resolved by AI-Builder C0003)\n"
    assert open_todos(text) == (OpenTodo(id="C0001-W01", text="a thing"),)
    assert ticked(text, {"C0001-W01"}, "Me", 9) == "- [x] [C0001-W01] AI-Builder: a thing (resolved by Me C0009)\n"


def test_focus_is_the_oldest_and_the_newest() -> None:
    todos = [OpenTodo(id=f"P{i:02d}", text=f"text {i}") for i in range(12)]
    assert [entry.id for entry in focus(todos)] == ["P00", "P01", "P02", "P03", "P08", "P09", "P10", "P11"]
    assert focus(todos[:5]) == tuple(todos[:5])
    doubled = [*todos[:3], OpenTodo(id="P99", text="TEXT 1")]
    assert [entry.text for entry in focus(doubled)] == ["text 0", "text 1", "text 2"]
    assert focus([]) == ()


def test_a_line_full_of_blanks_is_read_at_once() -> None:
    began = time.process_time()
    line = "- [ ] a" + " " * 200_000 + "b" + " " * 200_000
    assert [todo.id for todo in open_todos(f"{line}\n")] == ["P01"]
    assert time.process_time() - began < 1
