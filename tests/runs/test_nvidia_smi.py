"""nvidia-smi as a child: one that answers, stalls, lies, crashes, floods, leaves something behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_loop.runs.nvidia_smi import QUERY, find_nvidia_smi, main, read_cards
from tests.runs.cards import GIB, FakeNvidia, card, line
from tests.system.held import is_alive


@pytest.fixture
def nvidia(tmp_path: Path) -> FakeNvidia:
    return FakeNvidia(tmp_path / "told.json")


def answer(tmp_path: Path, command: list[str], deadline_s: float = 20) -> dict[str, object]:
    """Run the child as the loop does; return its answer."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps({"command": command, "deadline_s": deadline_s}), encoding="utf-8")
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop.runs.nvidia_smi", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    value = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def test_an_answer_is_read(tmp_path: Path, nvidia: FakeNvidia) -> None:
    cards = (card(0, memory_used_bytes=3 * GIB, utilization=0.5), card(1, memory_used_bytes=None, utilization=None))
    nvidia.lists(*cards)
    assert answer(tmp_path, nvidia.command) == {"cards": [made.to_json() for made in cards], "why": None}
    assert nvidia.calls() == [" ".join(QUERY)]


def test_a_stalled_one_is_ended_with_what_it_started(tmp_path: Path, nvidia: FakeNvidia) -> None:
    nvidia.will(mode="family")
    began = time.monotonic()
    said = answer(tmp_path, nvidia.command, deadline_s=3)
    assert said == {"cards": None, "why": "nvidia-smi gave no answer within 3 s"}
    assert time.monotonic() - began < 20
    child = int((tmp_path / "told.json.child").read_text(encoding="ascii"))
    if os.name != "nt":
        assert not is_alive(child)


def test_a_flood_is_bounded(tmp_path: Path, nvidia: FakeNvidia) -> None:
    nvidia.will(mode="flood")
    assert answer(tmp_path, nvidia.command)["why"] == "nvidia-smi was ended (too_loud)"


def test_a_crash_and_an_odd_answer_have_a_reason(tmp_path: Path, nvidia: FakeNvidia) -> None:
    nvidia.will(exit=9, stderr="NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")
    said = answer(tmp_path, nvidia.command)
    assert said["cards"] is None and "exit code 9: NVIDIA-SMI has failed" in str(said["why"])


def test_a_lie_is_no_card(tmp_path: Path, nvidia: FakeNvidia) -> None:
    nvidia.will(lines=["No devices were found", "everything is fine"])
    assert answer(tmp_path, nvidia.command) == {
        "cards": None,
        "why": "nvidia-smi listed no card: everything is fine",
    }


def test_one_that_is_not_there_has_a_reason(tmp_path: Path) -> None:
    said = answer(tmp_path, [str(tmp_path / "nothing")])
    assert said["cards"] is None and "cannot start" in str(said["why"])


def test_one_dead_card_does_not_hide_the_others(tmp_path: Path, nvidia: FakeNvidia) -> None:
    dead = "Unable to determine the device handle for GPU1: 0000:41:00.0: Unknown Error"
    nvidia.will(lines=[line(card(0)), dead, line(card(2))], exit=15)
    cards = answer(tmp_path, nvidia.command)["cards"]
    assert isinstance(cards, list) and [one["index"] for one in cards] == [0, 2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0, GPU-12345678",
        "0, , NVIDIA, 1, 1, 1",
        "x, GPU-12345678, NVIDIA, 1, 1, 1",
        "-1, GPU-12345678, NVIDIA, 1, 1, 1",
        "0, GPU-../../etc, NVIDIA, 1, 1, 1",
        "\x00\x01, \ufffd",
    ],
)
def test_what_is_no_line_of_a_card_is_passed_over(text: str) -> None:
    assert read_cards(text) == ()


@pytest.mark.parametrize("numbers", ["-5, 3, 1", "[N/A], 3, 1", "100, 300, 1", "nan, 1, 1", "inf, 1, 1", "1e300, 9, 1"])
def test_memory_that_cannot_be_is_not_known(numbers: str) -> None:
    (found,) = read_cards(f"0, GPU-12345678, NVIDIA, {numbers}")
    assert found.memory_free_bytes is None and found.utilization == 0.01


def test_the_same_card_or_index_twice_counts_once() -> None:
    twice = "\n".join([line(card(0)), line(card(0)), "0, GPU-99999999, other, 1, 1, 1", line(card(1))])
    assert [found.index for found in read_cards(twice)] == [0, 1]


def test_an_odd_name_and_percent_are_kept_readable() -> None:
    (found,) = read_cards("3, GPU-12345678, NVIDIA, Inc. X, 1024, 512, 150")
    assert (found.name, found.memory_free_bytes, found.utilization) == ("NVIDIA, Inc. X", 512 * 1024**2, None)


def test_a_request_that_is_none_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1 and main([str(tmp_path)]) == 1
    (tmp_path / "request.json").write_text('{"command": []}', encoding="utf-8")
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "usage" in said and "request.json is missing" in said and "the request" in said
    assert not (tmp_path / "answer.json").exists()


def test_it_is_found_on_path_and_never_in_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "nvidia-smi.exe" if os.name == "nt" else "nvidia-smi"
    program = tmp_path / name
    program.write_text("", encoding="utf-8")
    program.chmod(0o755)
    assert find_nvidia_smi({"PATH": os.pathsep.join(["", ".", str(tmp_path / "none")])}) is None
    assert find_nvidia_smi({"PATH": str(tmp_path)}) == program
    assert find_nvidia_smi({"PATH": ""}) is None
