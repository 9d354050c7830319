"""A foreign repository's test_command: started once, written down first, its answer taken at the door."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from llm_loop.final_test.by_command import STARTED
from llm_loop.final_test.request import FinalTestRequest
from tests.final_test.conftest import WHY, Night

COUNTS = "import json, os, sys, pathlib\nopen('starts', 'a').write('x')\nrun = pathlib.Path(sys.argv[2])\n"


@pytest.fixture(autouse=True)
def a_python(night: Night) -> None:
    """The command's first word is found in the folder of the training Python."""
    night.request["training_python"] = sys.executable


def note(night: Night) -> Path:
    """Return the place of what says that it was started for WHY: among sealed things."""
    return FinalTestRequest.from_json(night.request).kept(STARTED)


def starts(night: Night) -> int:
    path = night.root / "repo" / "starts"
    return len(path.read_text(encoding="utf-8")) if path.exists() else 0


def test_the_last_json_line_is_the_answer(night: Night) -> None:
    told = {"value": 0.75, "interval": [0.7, 0.8], "n": 12, "metrics": {"iou": 0.5}, "comment": "well"}
    night.command(COUNTS + f"print('{{\"value\": 0.1}}'); print({json.dumps(json.dumps(told))}); print('done')")
    answer = night.ask()
    result = answer["result"]
    assert (result["metric"], result["value"], result["n"]) == ("test_dice", 0.75, 12)
    assert (result["interval"], result["metrics"], result["source"]) == ([0.7, 0.8], {"iou": 0.5}, "test_command")
    assert (result["opening"], result["sealed_hash"]) == (1, night.hash)
    assert night.openings() == [("hands", "R0007")]


def test_the_file_in_the_runs_folder_goes_first(night: Night) -> None:
    code = "(run / 'test_result.json').write_text(json.dumps({'test_dice': 0.5, 'test_iou': 0.4, 'note': 'x'}))\n"
    night.command(COUNTS + code + "print('{\"value\": 0.9}')")
    result = night.ask()["result"]
    assert (result["value"], result["metrics"]) == (0.5, {"test_dice": 0.5, "test_iou": 0.4})


def test_a_file_that_lay_there_before_is_no_answer(night: Night) -> None:
    path = night.run_folder / "test_result.json"
    path.write_text('{"value": 0.99}', encoding="utf-8")
    night.command(COUNTS + "print('scored nothing')")
    assert "wrote no test_result.json" in night.ask()["why"]
    assert path.exists()
    night.command(COUNTS + "print('{\"value\": 0.25}')")
    assert night.ask(why="another finish-up")["result"]["value"] == 0.25


def test_the_opening_is_on_the_disk_before_it_starts_and_it_is_told_where_the_rows_lie(night: Night) -> None:
    night.command(
        COUNTS + "root = pathlib.Path(os.environ['LLM_LOOP_SEALED_ROOT'])\n"
        "assert (root / 'hands' / 'manifest.csv').is_file() and os.environ['LLM_LOOP_RUN_DIR'] == str(run)\n"
        "assert 'MY_API_KEY' not in os.environ and os.environ['CUDA_VISIBLE_DEVICES'] == '3'\n"
        "print(json.dumps({'value': len((root / 'openings.jsonl').read_text().splitlines())}))"
    )
    answer = night.ask()
    assert answer["result"] is not None and answer["result"]["value"] == 1, answer["why"]


def test_rows_of_no_known_name_are_neither_told_nor_recorded(night: Night) -> None:
    shutil.copytree(night.sealed / "hands", night.sealed / "feet")
    night.command(COUNTS + "print(json.dumps({'value': float('LLM_LOOP_SEALED_ROOT' in os.environ)}))")
    result = night.ask(sealed_hash="c" * 64)["result"]
    assert (result["value"], result["opening"], result["sealed_hash"]) == (0.0, None, None)
    assert result["source"] == "test_command" and result["opened_utc"]
    assert night.ask(sealed_hash=None)["result"]["value"] == 0.0, "two sets: nobody knows which one"
    assert starts(night) == 1, "one reason, one start"
    shutil.rmtree(night.sealed)
    assert night.ask(sealed_hash=None)["result"]["opening"] is None


def test_the_only_rows_there_are_those_that_are_opened(night: Night) -> None:
    night.command(COUNTS + "print('{\"value\": 1}')")
    assert night.ask(sealed_hash=None)["result"]["opening"] == 1 and night.openings() == [("hands", "R0007")]


def test_for_one_reason_it_starts_once(night: Night) -> None:
    night.command(COUNTS + "print('{\"value\": 0.5}')")
    first = night.ask()
    assert night.ask() == first and starts(night) == 1, "the score that was kept is told again"
    assert "no other run is looked at" in night.ask(run_id="R0008")["why"]
    note(night).unlink()
    answer = night.ask()
    assert answer["result"] is None and "not opened for it again" in answer["why"]
    assert answer["opened_utc"] == first["opened_utc"] and starts(night) == 1 and len(night.openings()) == 1
    assert night.ask(why="another finish-up")["result"]["opening"] == 2


@pytest.mark.parametrize("known", [True, False])
def test_one_that_died_half_way_is_not_started_again(night: Night, known: bool) -> None:
    night.command(COUNTS + "sys.exit('the weights are gone')")
    hash_ = night.hash if known else "c" * 64
    answer = night.ask(sealed_hash=hash_)
    assert answer["why"] == "it ended with exit code 1: the weights are gone" and answer["opened_utc"]
    again = night.ask(sealed_hash=hash_)
    assert "left no score; it is not started twice" in again["why"] and again["opened_utc"] == answer["opened_utc"]
    assert starts(night) == 1 and len(night.openings()) == known
    other = night.ask(sealed_hash=hash_, run_id="R0008")
    assert "for R0007 at" in other["why"] and other["opened_utc"] is None and starts(night) == 1


def test_a_planted_score_is_none(night: Night) -> None:
    """Whoever guesses the reason, and writes what an earlier try would have left, has no opening to name."""
    night.command(COUNTS + "print('{\"value\": 0.5}')")
    result = night.ask()["result"]
    (night.sealed / "openings.jsonl").unlink()
    planted = {"run_id": "R0007", "why": WHY, "utc": result["opened_utc"], "result": result | {"value": 1.0}}
    note(night).write_text(json.dumps(planted), encoding="utf-8")
    answer = night.ask()
    assert answer["result"] is None and starts(night) == 1


ANSWERS = {
    "nothing": ("", "printed no JSON line"),
    "no value": ("{}", "value: there is none, nor test_dice"),
    "no number": ('{"value": NaN}', "not JSON"),
    "infinity": ('{"value": 1e999}', "not finite"),
    "a text": ('{"value": "0.9"}', "value"),
    "true": ('{"value": true}', "value"),
    "two values": ('{"value": 0.9, "test_dice": 0.5}', "told several times, differently: 0.9, 0.5"),
    "two values, deeper": ('{"value": 0.9, "metrics": {"dice": 0.5}}', "told several times"),
    "another metric": ('{"metric": "accuracy", "value": 0.9}', "it tells of 'accuracy', where test_dice is wanted"),
    "half a line": ('{"value": 0.9', "not JSON"),
    "a broken interval": ('{"value": 0.9, "interval": [1, 0]}', "low first"),
    "a broken count": ('{"value": 0.9, "n": -1}', "n"),
    "metrics that are none": ('{"value": 0.9, "metrics": [1]}', "metrics"),
    "a terminal sequence": ('{"value": 0.9, "metrics": {"\\\\u001b[2J": 1}}', "printable"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_what_is_no_answer(what: str, night: Night) -> None:
    line, says = ANSWERS[what]
    night.command(COUNTS + f"print('''{line}''')")
    answer = night.ask()
    assert answer["result"] is None and says in answer["why"] and answer["why"].isprintable()


def test_a_score_of_a_program_that_failed_does_not_count(night: Night) -> None:
    night.command(COUNTS + "print('{\"value\": 0.9}', flush=True); sys.exit(1)")
    assert night.ask()["result"] is None


def test_one_that_stalls_is_ended(night: Night) -> None:
    night.command(COUNTS + "import time; print('{\"value\": 0.9}', flush=True); time.sleep(600)")
    assert night.ask(deadline_s=2)["why"] == "it was not done in 2 s and was ended"


def test_nothing_starts_where_it_cannot_be_written_down(night: Night) -> None:
    night.command(COUNTS + "print('{\"value\": 0.9}')")
    note(night).mkdir(parents=True)
    answer = night.ask()
    assert answer["result"] is None and "cannot write" in answer["why"] and starts(night) == 0
    assert night.openings() == [] and answer["opened_utc"] is None
    note(night).rmdir()
    (night.sealed / ".openings.lock").mkdir()
    assert night.ask()["result"] is None and starts(night) == 0
    (night.sealed / ".openings.lock").rmdir()
    assert night.ask()["result"]["value"] == 0.9, "nothing was opened, so it may be tried again"


def test_a_program_that_is_not_there_costs_no_opening(night: Night) -> None:
    answer = night.ask(test_command="no-such-program-at-all --run {run_dir}")
    assert answer["result"] is None and night.openings() == [] and answer["opened_utc"] is None


@pytest.mark.skipif(os.name != "posix", reason="a command for bash")
def test_a_command_of_several_steps_stops_at_the_first_that_fails(night: Night) -> None:
    command = "cp {run_dir}/gone . ; echo '{\"value\": 1}'"
    assert night.ask(test_command=command)["result"] is None
    (night.run_folder / "there").touch()
    command = 'X=0.5; cp {run_dir}/there {workspace}/repo && echo "{\\"value\\": $X}"'
    answer = night.ask(test_command=command, why="again")
    assert answer["result"] is not None and answer["result"]["value"] == 0.5, answer["why"]
    assert Path(night.root / "repo" / "there").exists()
