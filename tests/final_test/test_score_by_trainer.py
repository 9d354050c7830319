"""The trainer as a program that answers, stalls, crashes and lies: a score counts with its recorded opening alone."""

from __future__ import annotations

import json
import time
from typing import Any

import psutil
import pytest

from llm_loop.final_test.by_trainer import KEPT
from llm_loop.final_test.request import FinalTestRequest
from tests.conftest import REPOSITORY, eventually
from tests.final_test.conftest import POSIX_ONLY, WHY, Night

pytestmark = POSIX_ONLY
ANSWERS = f"""
import json, os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from datetime import UTC, datetime
from pathlib import Path
from llm_loop.contract.sealed import read_openings, record_opening
words = dict(word[2:].split("=", 1) for word in sys.argv if word.startswith("--"))
assert sys.argv[1:6] == ["-P", "-X", "utf8", "-m", "llm_loop.trainer.final_score"], sys.argv
root, out = Path(words["sealed-root"]), Path(words["out"])
out.parent.mkdir(exist_ok=True)
assert 0 < float(words["within"]) < 60
def opened():
    return record_opening(root, name="hands", why=words["why"], run=words["run"], now=datetime.now(UTC), once=True)
def answer(opening, **changes):
    value = dict(schema_version=1, run_id=words["run"], metric="test_dice", value=0.5, interval=[0.4, 0.6], n=1,
        metrics=dict(test_dice=0.5), opened_utc=opening.utc, opening=1, sealed_hash=opening.manifest_sha256,
        source="trainer")
    out.write_text(json.dumps(value | changes))
"""


def test_a_score_is_handed_on(night: Night) -> None:
    night.program(ANSWERS + "answer(opened()); json.dump(dict(os.environ, cwd=os.getcwd()), open('told.json', 'w'))")
    answer = night.ask(environment={"CUDA_VISIBLE_DEVICES": "3", "PYTHONPATH": "/a/checkout"})
    assert answer["why"] is None and answer["result"]["value"] == 0.5 and answer["result"]["source"] == "trainer"
    assert answer["opened_utc"] == answer["result"]["opened_utc"] and night.openings() == [("hands", "R0007")]
    told = json.loads((night.root / "repo" / "told.json").read_text(encoding="utf-8"))
    assert told["cwd"] == str(night.root / "repo") and told["LLM_LOOP_RUN_DIR"] == str(night.run_folder)
    assert told["CUDA_VISIBLE_DEVICES"] == "3" and told["PYTHONPATH"] == str(REPOSITORY)
    assert "MY_API_KEY" not in told and "LLM_LOOP_SEALED_ROOT" not in told


LIES: dict[str, tuple[str, str]] = {
    "nothing written": ("opened()", "cannot be read"),
    "no number": ("answer(opened(), value=float('nan'), metrics={})", "NaN"),
    "another run": ("answer(opened(), run_id='R0008')", "run_id R0008, where R0007"),
    "another metric": ("answer(opened(), metric='test_iou')", "metric test_iou, where test_dice"),
    "other rows": ("answer(opened(), sealed_hash='b' * 64)", "sealed_hash"),
    "another source": ("answer(opened(), source='test_command')", "source test_command"),
    "another opening": ("answer(opened(), opened_utc='2026-01-01T00:00:00+00:00')", "not in the record"),
    "a file without end": ("opened(); out.write_bytes(b' ' * 300_000)", "larger than"),
    "a folder": ("opened(); out.mkdir()", "cannot be read"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_no_score(lie: str, night: Night) -> None:
    code, says = LIES[lie]
    night.program(ANSWERS + code)
    answer = night.ask()
    assert answer["result"] is None and says in answer["why"]
    assert answer["opened_utc"] is not None, "an opening was paid for it all the same"


def test_a_score_without_an_opening_is_none(night: Night) -> None:
    """Also one that lay there before: whoever puts it there has no opening to name."""
    night.program(ANSWERS + "from types import SimpleNamespace as It\n")
    planted = {"run_id": "R0007", "metric": "test_dice", "value": 1.0, "interval": None, "n": 1, "metrics": {}}
    planted |= {"schema_version": 1, "opened_utc": "2026-03-01T22:00:00+00:00", "opening": 1, "source": "trainer"}
    place = FinalTestRequest.from_json(night.request).kept(KEPT)
    place.parent.mkdir()
    assert place.is_relative_to(night.sealed), "no worker reads a test score"
    place.write_text(json.dumps(planted | {"sealed_hash": night.hash}), encoding="utf-8")
    answer = night.ask()
    assert answer["result"] is None and "not in the record" in answer["why"] and answer["opened_utc"] is None


def test_a_crash_is_told_in_one_plain_line(night: Night) -> None:
    said = "Traceback...\\n\\x1b[2Jfinal score: no <b>weights</b>\\x07 \\u202e here\\n\\n"
    night.program(ANSWERS + f"sys.stderr.write('{said}'); sys.exit(3)")
    answer = night.ask()
    assert answer["why"] == "it ended with exit code 3: final score: no <b>weights</b> here"
    assert answer["opened_utc"] is None
    night.program(ANSWERS + "opened(); os.kill(os.getpid(), 9)")
    answer = night.ask()
    assert answer["why"] == "it ended with exit code -9" and answer["opened_utc"] is not None


def left_alive(night: Night) -> bool:
    pid = int((night.root / "repo" / "pid").read_text(encoding="utf-8"))
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


STALLS = (
    "import subprocess, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
    "open('pid', 'w').write(str(child.pid))\n"
)


def test_one_that_stalls_is_ended_with_all_that_it_started(night: Night) -> None:
    night.program(ANSWERS + STALLS + "time.sleep(600)")
    began = time.monotonic()
    answer = night.ask(deadline_s=5)
    assert answer["why"] == "it was not done in 5 s and was ended" and time.monotonic() - began < 30
    assert eventually(lambda: not left_alive(night))


def test_a_stop_ends_it(night: Night) -> None:
    night.program(ANSWERS + "import time; time.sleep(600)")
    (night.root / "job").mkdir()
    (night.root / "job" / "STOP").touch()
    assert night.ask()["why"] == "it was stopped"


def test_one_that_prints_without_end_is_ended(night: Night) -> None:
    night.program(ANSWERS + "line = 'x' * 1_000_000\nwhile True: print(line)")
    assert "it printed more than" in night.ask()["why"]


def test_a_python_that_is_not_there(night: Night) -> None:
    answer = night.ask(training_python=str(night.root / "gone"))
    assert answer["result"] is None and "cannot start" in answer["why"] and answer["opened_utc"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": None},
        {"why": "  "},
        {"run_folder": "relative"},
        {"environment": {"A": 1}},
        {"environment": None},
        {"deadline_s": 0},
        {"deadline_s": "soon"},
        {"deadline_s": 1e999},
        {"test_command": ""},
        {"sealed_hash": 5},
    ],
    ids=str,
)
def test_a_request_that_is_none(change: dict[str, Any], night: Night) -> None:
    assert night.ask(expected=1, **change)["said"].startswith("final test: the request: ")


def test_the_reason_reaches_the_trainer_whole(night: Night) -> None:
    night.program(ANSWERS + "answer(opened())")
    why = f"--{WHY} & 'it' \"is\" $HOME\tÜ"
    assert night.ask(why=why)["why"] is None
    assert night.ask(why=why)["result"] is None, "for one reason rows are opened once"
    assert len(night.openings()) == 1
