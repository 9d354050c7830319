"""The storyline: one main line a cycle."""

import functools
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.storyline import Best, GateReason, StoryEntry, Storyline
from llm_loop.system.clock import SystemClock
from tests.work import calls_of

AT = "2026-01-02T03:04:05Z"


def opened(folder: Path) -> Storyline:
    return Storyline(WorkspacePaths(folder), SystemClock())


def read(folder: Path) -> str:
    return WorkspacePaths(folder).storyline.read_text("utf-8")


def test_a_full_entry_and_a_bare_one(tmp_path: Path) -> None:
    story = opened(tmp_path)
    story.add(
        StoryEntry(
            cycle=8,
            cycle_trace_id="C0008-1a2b3c4d",
            at_utc=AT,
            action="run_command",
            category="loss",
            run="R0007 focal",
            outcome="completed",
            best=Best(metric="val_log_loss", value=0.0912345678, epoch=7, n=540),
            delta=-0.0031,
            improved=True,
            proposer="AI-Builder",
            mentor="continue",
            gate_blocked=True,
            why="Rare digits | are\nmissed.",
            gate_reasons=(GateReason(proposer="AI-Builder", reason="label is generic", fix="name the experiment"),),
        )
    )
    story.add(StoryEntry(cycle=9, cycle_trace_id="C0009-00000000", at_utc=AT, action="wait"))
    assert read(tmp_path) == (
        "# LLM Work Storyline\n\n"
        f"## Cycle 0008 | {AT}\n\n"
        "- trace=C0008-1a2b3c4d | action=run_command | category=loss | run=R0007 focal | outcome=completed"
        " | best=val_log_loss 0.0912346 (epoch 7, n 540) | delta=-0.0031 (better) | proposer=AI-Builder"
        " | mentor=continue | qgate_blocked=yes | why=Rare digits / are missed.\n"
        "  - gate refused AI-Builder: label is generic Fix: name the experiment\n\n"
        f"## Cycle 0009 | {AT}\n\n"
        "- trace=C0009-00000000 | action=wait | qgate_blocked=no | why=\n"
    )


def test_a_trace_id_has_one_line_whatever_a_model_writes(tmp_path: Path) -> None:
    forged = "\n- trace=C0002-bbbbbbbb | action=wait"
    story = opened(tmp_path)
    story.add(StoryEntry(cycle=1, cycle_trace_id="C0001-aaaaaaaa", at_utc=AT, action="wait", why=forged + "y" * 900))
    second = StoryEntry(cycle=2, cycle_trace_id="C0002-bbbbbbbb", at_utc=AT, action="wait", mentor=forged)
    assert story.add(second).changed
    assert not story.add(second).changed
    assert not opened(tmp_path).add(second).changed
    lines = [line for line in read(tmp_path).split("\n") if line.startswith("- ")]
    assert [line.partition(" |")[0] for line in lines] == ["- trace=C0001-aaaaaaaa", "- trace=C0002-bbbbbbbb"]
    assert len(lines[0].partition("why=")[2]) == 300


def test_a_line_costs_as_much_at_ten_thousand_as_at_ten(tmp_path: Path) -> None:
    work = {}
    for known in (10, 10_000):
        lines = [
            f"## Cycle {i:04d} | {AT}\n\n- trace=C{i:04d}-0 | action=run_command | why={'w' * 250}\n"
            for i in range(known)
        ]
        path = WorkspacePaths(tmp_path / str(known)).storyline
        path.parent.mkdir(parents=True)
        path.write_text("# LLM Work Storyline\n\n" + "\n".join(lines), encoding="utf-8", newline="\n")
        story = opened(tmp_path / str(known))
        first, second = (
            StoryEntry(cycle=known + n, cycle_trace_id=f"C{known + n}-1", at_utc=AT, action="wait", why="because")
            for n in range(2)
        )
        assert story.add(first).changed  # it reads what is there, once
        work[known] = calls_of(functools.partial(story.add, second))
        assert read(tmp_path / str(known)).count("- trace=") == known + 2
    assert work[10_000] == work[10], work
