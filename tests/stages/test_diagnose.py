"""Diagnosis: a corpus of real failures, endings without words, hostile texts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_loop.contract.diagnosis import Cause, Diagnosis, Severity
from llm_loop.contract.stop_reasons import FAULTS
from llm_loop.stages import hazards, record
from llm_loop.stages.diagnose import FailureEvidence, candidates, diagnose
from llm_loop.stages.diagnosing.meanings import MEANINGS
from llm_loop.system.processes import EndCause

CORPUS = Path(__file__).parent / "diagnosing" / "corpus"
CASES = yaml.safe_load((CORPUS / "cases.yaml").read_text(encoding="utf-8"))
NAMED = [(kind, name) for kind, cases in CASES.items() for name in cases]
EXIT_CODES = json.loads((CORPUS / "real" / "exit_codes.json").read_text(encoding="utf-8"))
BAR = 0.8
NEVER_OF_IDEA = {
    *(Cause.MISSING_MODULE, Cause.MODULE_VERSION, Cause.NO_CUDA, Cause.DRIVER_MISMATCH, Cause.DEVICE_FAULT),
    *(Cause.DATA, Cause.DOWNLOAD, Cause.FILE_LOCK, Cause.PERMISSION, Cause.PORT_IN_USE, Cause.DISK_FULL),
    *(Cause.KILLED, Cause.CRASHED, Cause.INTERRUPT, Cause.STOPPED, Cause.PROGRAM_MISSING, Cause.STALL),
}


def evidence_of(kind: str, name: str) -> FailureEvidence:
    case = CASES[kind][name]
    return FailureEvidence(
        ending=EndCause(case.get("ending", "exited")),
        exit_code=EXIT_CODES[name] if kind == "real" else 1,
        stderr=(CORPUS / kind / f"{name}.txt").read_text(encoding="utf-8"),
        platform=case.get("platform", "linux"),
        edited_files=tuple(case.get("edited_files", ())),
    )


def of_text(stderr: str, **fields: Any) -> Diagnosis:
    return diagnose(FailureEvidence(ending=EndCause.EXITED, exit_code=1, stderr=stderr, **fields))


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_each_failure_of_the_corpus_is_told(kind: str, name: str) -> None:
    case = CASES[kind][name]
    found = diagnose(evidence_of(kind, name))
    assert (found.cause.value, found.confidence >= case.get("bar", BAR)) == (case["cause"], True), found
    assert found.evidence_line is not None and case["says"] in found.evidence_line
    assert {key: found.details.get(key) for key in case.get("details", {})} == case.get("details", {})


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_no_failure_has_two_causes_of_equal_confidence(kind: str, name: str) -> None:
    found = sorted(candidates(evidence_of(kind, name)), key=lambda one: -one.confidence)
    surest = {one.cause for one in found if one.confidence == found[0].confidence}
    assert len(surest) <= 1, surest


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_windows_line_ends_and_colours_change_nothing(kind: str, name: str) -> None:
    evidence = evidence_of(kind, name)
    coloured = "\x1b[31m" + evidence.stderr.replace("\n", "\x1b[0m\r\n\x1b[31m")
    again = diagnose(
        FailureEvidence(
            ending=evidence.ending,
            exit_code=evidence.exit_code,
            stderr=coloured,
            platform=evidence.platform,
            edited_files=evidence.edited_files,
        )
    )
    assert again == diagnose(evidence)


def test_every_file_of_the_corpus_has_a_case() -> None:
    files = {(file.parent.name, file.stem) for file in CORPUS.glob("*/*.txt")}
    assert files == set(NAMED)


def test_every_cause_has_a_meaning_and_all_that_logs_tell_is_in_the_corpus() -> None:
    assert set(MEANINGS) == set(Cause)
    told_by_the_loop = {Cause.DEADLINE, Cause.STALL, Cause.STOP_PATTERN, Cause.STOPPED, Cause.NO_RESULT}
    assert {Cause(case["cause"]) for cases in CASES.values() for case in cases.values()} == set(
        Cause
    ) - told_by_the_loop


def test_gate_install_and_infrastructure_are_never_held_against_an_idea() -> None:
    assert {cause for cause, meaning in MEANINGS.items() if meaning.is_of_idea} == {
        *(Cause.CUDA_OUT_OF_MEMORY, Cause.HOST_OUT_OF_MEMORY, Cause.DIVERGENCE, Cause.SHAPE_MISMATCH),
        *(Cause.DEADLINE, Cause.STOP_PATTERN),
    }
    assert not any(MEANINGS[cause].is_of_idea for cause in NEVER_OF_IDEA)


def test_an_unknown_failure_counts_only_with_an_exception_of_its_own() -> None:
    own = diagnose(evidence_of("real", "own_exception"))
    assert own.is_failure_of_idea and own.cause is Cause.UNKNOWN
    silent = of_text("")
    assert (silent.cause, silent.is_failure_of_idea) == (Cause.UNKNOWN, False)
    assert silent.evidence_line == "exit code 1, and not a word printed"
    words = of_text("something went wrong\n")
    assert (words.cause, words.is_failure_of_idea, words.evidence_line) == (
        Cause.UNKNOWN,
        False,
        "something went wrong",
    )


# ---------------------------------------------------------------- endings


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"ending": EndCause.STOPPED, "cause": hazards.NAN}, Cause.DIVERGENCE),
        ({"ending": EndCause.STOPPED, "cause": hazards.HOST_MEMORY}, Cause.HOST_OUT_OF_MEMORY),
        ({"ending": EndCause.STOPPED, "cause": hazards.DISK_FULL}, Cause.DISK_FULL),
        ({"ending": EndCause.STOPPED, "cause": "stall"}, Cause.STALL),
        ({"ending": EndCause.STOPPED, "cause": "pattern:plateau"}, Cause.STOP_PATTERN),
        ({"ending": EndCause.STOPPED, "cause": "stop_file"}, Cause.STOPPED),
        ({"ending": EndCause.STOPPED, "cause": "stop_flag:STOP_CURRENT_RUN"}, Cause.STOPPED),
        ({"ending": EndCause.STOPPED, "cause": "daemon_stop"}, Cause.STOPPED),
        ({"ending": EndCause.STOPPED, "cause": record.SHUTDOWN}, Cause.INTERRUPT),
        ({"ending": EndCause.DEADLINE, "cause": "max_run_seconds"}, Cause.DEADLINE),
        ({"ending": EndCause.DEADLINE}, Cause.DEADLINE),
        ({"ending": EndCause.LOST, "cause": "lost"}, Cause.INTERRUPT),
        ({"ending": EndCause.VOID}, Cause.INTERRUPT),
        ({"ending": EndCause.INTERRUPTED, "cause": "interrupted"}, Cause.INTERRUPT),
        ({"ending": EndCause.START_FAILED, "detail": "program 'x' not found on the run's PATH"}, Cause.PROGRAM_MISSING),
        ({"ending": EndCause.KEEPER_ERROR, "detail": "[Errno 28] No space left on device"}, Cause.DISK_FULL),
        ({"ending": EndCause.KEEPER_ERROR, "detail": "exit.json is no ending"}, Cause.UNKNOWN),
        ({"ending": EndCause.EXITED, "exit_code": 0, "cause": "no_result"}, Cause.NO_RESULT),
        ({"ending": EndCause.EXITED, "exit_code": 0, "cause": "non_finite_metric"}, Cause.DIVERGENCE),
        (
            {"ending": EndCause.EXITED, "exit_code": 0, "cause": "invalid_result", "detail": "metric: x"},
            Cause.NO_RESULT,
        ),
        ({"ending": EndCause.EXITED, "exit_code": 1, "metrics_are_finite": False}, Cause.DIVERGENCE),
        ({"ending": EndCause.SIGNALLED, "exit_code": -9, "cause": "signalled"}, Cause.KILLED),
        ({"ending": EndCause.SIGNALLED, "exit_code": -2}, Cause.INTERRUPT),
        ({"ending": EndCause.SIGNALLED, "exit_code": -11}, Cause.CRASHED),
        ({"ending": EndCause.EXITED, "exit_code": 137}, Cause.KILLED),
        ({"ending": EndCause.EXITED, "exit_code": 127}, Cause.PROGRAM_MISSING),
        ({"ending": EndCause.EXITED, "exit_code": 0xC000013A, "platform": "win32"}, Cause.INTERRUPT),
        ({"ending": EndCause.EXITED, "exit_code": -1073741819, "platform": "win32"}, Cause.CRASHED),
        ({"ending": EndCause.EXITED, "exit_code": 0xC0000017, "platform": "win32"}, Cause.HOST_OUT_OF_MEMORY),
        ({"ending": EndCause.EXITED, "exit_code": 137, "platform": "win32"}, Cause.UNKNOWN),
        ({"ending": EndCause.EXITED, "exit_code": 3}, Cause.UNKNOWN),
    ],
)
def test_an_ending_says_something_by_itself(fields: dict[str, Any], cause: Cause) -> None:
    assert diagnose(FailureEvidence(**fields)).cause is cause


def test_every_reason_for_which_a_run_is_ended_as_failed_is_known() -> None:
    for fault in FAULTS:
        said = fault + "x" if fault.endswith(":") else fault
        assert diagnose(FailureEvidence(ending=EndCause.STOPPED, cause=said)).cause is not Cause.UNKNOWN


def test_a_run_killed_while_it_held_the_memory_was_killed_for_it() -> None:
    killed = {"ending": EndCause.SIGNALLED, "exit_code": -9, "host_memory_bytes": 16_000}
    assert diagnose(FailureEvidence(peak_memory_bytes=14_000, **killed)).cause is Cause.HOST_OUT_OF_MEMORY
    assert diagnose(FailureEvidence(peak_memory_bytes=4_000, **killed)).cause is Cause.KILLED


def test_what_the_program_said_beats_a_stop_pattern_and_a_bare_exit_code() -> None:
    text = (CORPUS / "written" / "cuda_out_of_memory.txt").read_text(encoding="utf-8")
    stopped = FailureEvidence(ending=EndCause.STOPPED, cause="pattern:Traceback", stderr=text)
    assert diagnose(stopped).cause is Cause.CUDA_OUT_OF_MEMORY


def test_a_traceback_on_standard_output_is_read_too_and_less_sure() -> None:
    text = (CORPUS / "real" / "shape_linear.txt").read_text(encoding="utf-8")
    on_stdout = diagnose(FailureEvidence(ending=EndCause.EXITED, exit_code=1, stdout=text))
    assert on_stdout.cause is Cause.SHAPE_MISMATCH and on_stdout.confidence < of_text(text).confidence


def test_a_traceback_whose_start_is_cut_off_is_read() -> None:
    text = (CORPUS / "real" / "shape_channels.txt").read_text(encoding="utf-8")
    found = of_text("x" * 100_000 + text[text.index("torch/nn") :])
    assert found.cause is Cause.SHAPE_MISMATCH


def test_words_after_the_traceback_do_not_hide_it() -> None:
    text = (CORPUS / "real" / "missing_module.txt").read_text(encoding="utf-8")
    noise = "wandb: Synced 5 files\nwarnings.warn('resource_tracker: There appear to be 3 leaked semaphores')\n" * 5
    assert of_text(text + noise).details == {"module": "einops"}


def test_a_rule_of_windows_is_not_one_of_linux() -> None:
    text = "Traceback (most recent call last):\nPermissionError: [Errno 13] Permission denied: 'a'\n"
    assert of_text(text).cause is Cause.PERMISSION
    assert of_text(text, platform="win32").cause is Cause.FILE_LOCK


def test_a_diagnosis_survives_json() -> None:
    found = diagnose(evidence_of("real", "syntax_of_module"))
    assert Diagnosis.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.severity is Severity.MEDIUM


# ---------------------------------------------------------------- hostile texts

UNUSABLE = (
    "os; rm -rf",
    "os; rm -rf /",
    "$(reboot)",
    "`reboot`",
    "a b",
    "-r evil.txt",
    "--index-url=http://evil",
    "git+https://evil/x",
    "../../etc/passwd",
    "C:\\evil",
    "",
    "x" * 5_000,
    ".".join("x" * 50),
    "\u0435inops",  # a Cyrillic letter
    "ein\u200bops",
    "einops\u202e",
    "class",
    "a..b",
    "a.",
    "1x",
)


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_module_name_is_never_usable(name: str) -> None:
    found = of_text(f"Traceback (most recent call last):\nModuleNotFoundError: No module named '{name}'\n")
    assert found.cause is Cause.MISSING_MODULE
    assert found.details == {"name_is_usable": False}
    assert found.evidence_line is not None and len(found.evidence_line) <= 300 and found.evidence_line.isprintable()


@pytest.mark.parametrize("name", ["a; reboot", "../x", "a//b", "x" * 500, "m\u043edel", "a b", "$HOME", ""])
def test_what_is_no_model_name_is_never_usable(name: str) -> None:
    found = of_text(f"Unsupported model.name: {name}\n")
    assert found.details == {"name_is_usable": False}
    assert found.cause is Cause.UNKNOWN_MODEL


@pytest.mark.parametrize("name", ["numpyy", "torch_vision", "a.b.c", "_x1"])
def test_a_misspelt_name_is_a_name_and_nothing_else(name: str) -> None:
    found = of_text(f"Traceback (most recent call last):\nModuleNotFoundError: No module named '{name}'\n")
    assert found.details == {"module": name}


@pytest.mark.parametrize(
    "text",
    [
        "a" * 2_000_000,
        "Traceback (most recent call last):\n" * 60_000,
        '  File "x", line 1\n' * 60_000,
        "KeyError: " + "Wrong encoder name `" * 60_000,
        "Traceback (most recent call last):\nKeyError: " + "Wrong encoder name `\n" * 3_000,
        "loss is " * 200_000,
        "\x1b[" * 500_000,
        "\x00\xff\r\r\r" * 100_000,
        "No module named '" * 80_000,
        "a: " * 300_000,
        "Given groups=" + "1" * 100_000,
        "[rank0]: " * 100_000 + "\n",
        " | " * 200_000 + "\n",
        "During handling of the above exception\n" * 20_000,
        "Traceback (most recent call last):\nRuntimeError: x\n\nDuring handling of the above exception\n" * 5_000,
        "Traceback (most recent call last):\nRuntimeError: " + ("DataLoader worker (pid " * 100 + "\n") * 200,
        "Traceback (most recent call last):\nRuntimeError: " + ("unable to mmap 1 bytes " * 60 + "\n") * 200,
    ],
    ids=range(17),
)
def test_hostile_texts_are_read_in_bounded_time(text: str) -> None:
    began = time.process_time()
    for stderr, stdout in ((text, ""), ("", text)):
        found = diagnose(FailureEvidence(ending=EndCause.EXITED, exit_code=1, stderr=stderr, stdout=stdout))
        assert 0 <= found.confidence <= 1
    assert time.process_time() - began < 0.5
