from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from llm_loop.mcp_tools.answer import MAX_CHARACTERS
from tests.mcp_tools.small_workspace import LOGIN, SECRET, SmallWorkspace


def test_the_last_lines_and_any_others(small: SmallWorkspace) -> None:
    small.log("R0001", "".join(f"epoch {number}\n" for number in range(1, 101)))
    text = small.ask("read_run_log", run_id="R0001", lines=3)
    assert "lines 98 to 100; it has 100 lines" in text
    assert "\nepoch 98\nepoch 99\nepoch 100\n" in text and "epoch 97" not in text
    text = small.ask("read_run_log", run_id="r0001", first_line=10, lines=2)
    assert "lines 10 to 11" in text and "\nepoch 10\nepoch 11\n[end" in text
    assert "no line there" in small.ask("read_run_log", run_id="R0001", first_line=101)


def test_stream_and_attempt_are_chosen(small: SmallWorkspace) -> None:
    small.log("R0001", "Traceback of the first\n", stream="stderr")
    small.log("R0001", "the second try\n", attempt=2)
    assert "Traceback of the first" in small.ask("read_run_log", run_id="R0001", attempt=1, stream="stderr")
    assert "the second try" in small.ask("read_run_log", run_id="R0001")
    assert "there are: 1, 2" in small.refusal("read_run_log", run_id="R0001", attempt=3)


@pytest.mark.parametrize(
    "run_id", ["R9999", "", "..", "../../codex_home", "R0001/../R0002", "R0001\0", "C:R0001", "R1"]
)
def test_what_is_no_run_has_no_log(small: SmallWorkspace, run_id: str) -> None:
    small.log("R0001", "printed words\n")
    assert "printed words" not in small.refusal("read_run_log", run_id=run_id)


def test_a_million_lines_cost_little(small: SmallWorkspace) -> None:
    small.log("R0001", "".join(f"{number} {'x' * 90}\n" for number in range(1, 1_000_001)))
    start = time.process_time()
    last = small.ask("read_run_log", run_id="R0001", lines=2_000)
    middle = small.ask("read_run_log", run_id="R0001", first_line=500_000, lines=2_000)
    assert time.process_time() - start < 5
    assert len(last) <= MAX_CHARACTERS and len(middle) <= MAX_CHARACTERS
    assert "it has 1,000,000 lines" in last and "\n1000000 " in last
    assert middle.startswith("R0001 attempt 1 stdout: lines 500,000 to ") and "\n500000 " in middle


def test_one_endless_line_is_cut(small: SmallWorkspace) -> None:
    small.log("R0001", "begin\n" + "y" * 3_000_000)
    for text in (small.ask("read_run_log", run_id="R0001"), small.ask("read_run_log", run_id="R0001", first_line=2)):
        assert len(text) <= MAX_CHARACTERS and "yyyy" in text


def test_a_progress_bar_is_its_last_state(small: SmallWorkspace) -> None:
    small.log("R0001", "  1%\r 50%\r\x1b[32m100%\x1b[0m\nnext\n", stream="stderr")
    assert "\n100%\nnext\n" in small.ask("read_run_log", run_id="R0001", stream="stderr")


def test_a_spec_that_a_run_changed_leads_nowhere_else(small: SmallWorkspace) -> None:
    log = small.log("R0001", "own words\n")
    spec = small.paths.attempt("R0001", 1) / "spec.json"
    auth = small.paths.codex_home / "auth.json"
    for target in (str(auth), "../codex_home/auth.json", "events.jsonl", f"..\\{auth}", None, 7):
        spec.write_text(json.dumps({"stdout": target}), encoding="utf-8")
        assert LOGIN not in small.refusal("read_run_log", run_id="R0001")
    spec.write_text(json.dumps({"stdout": f"/etc/{log.name}"}), encoding="utf-8")
    assert "own words" in small.ask("read_run_log", run_id="R0001")


def test_a_log_that_became_a_link_is_not_followed(small: SmallWorkspace) -> None:
    log = small.log("R0001", "own words\n")
    log.unlink()
    _link(log, small.paths.root / "vault" / "test.csv")
    assert SECRET not in small.refusal("read_run_log", run_id="R0001")


def _link(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")
