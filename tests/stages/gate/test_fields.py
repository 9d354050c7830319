"""What the fields of a decision may hold: labels, words, packages, edits, run files, approaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_loop.contract.decision import Action, Decision, Edit, Housekeeping, RunFile
from llm_loop.repairs.allowed import Sources
from llm_loop.repairs.request import _MOST_REQUIREMENTS
from llm_loop.stages.gate import GateContext, judge
from llm_loop.stages.gate_rules.fields import MOST_PACKAGES
from llm_loop.stages.gate_rules.forbidden import word_pattern
from llm_loop.stages.gate_rules.own_code import PACKAGE
from llm_loop.stages.gate_rules.run_files import name_trouble
from tests.stages.gate.cases import REASON, codes, run


def test_the_decision_is_kept_as_made(context: GateContext) -> None:
    decision = run("rm -rf /")
    before = decision.to_json()
    assert judge(decision, context).blocked
    assert decision.to_json() == before


@pytest.mark.parametrize("action", [Action.STOP_CURRENT_RUN, Action.SHUTDOWN_DAEMON])
def test_a_stop_is_never_held_up_by_words(action: Action, context: GateContext) -> None:
    kept = Housekeeping(todo_new=("a", "b", "c"))
    verdict = judge(Decision(action=action, rationale="now", housekeeping=kept), context)
    assert not verdict.blocked
    assert verdict.to_json()["issues"] == ["rationale_too_short", "too_many_todo"]


@pytest.mark.parametrize("action", [Action.RUN_COMMAND, Action.WAIT])
def test_a_short_rationale_blocks(action: Action, context: GateContext) -> None:
    assert judge(replace(run(), action=action, rationale="   try it     "), context).blocked


def test_a_plain_wait_passes_and_empty_housekeeping_is_noted(context: GateContext) -> None:
    verdict = judge(Decision(action=Action.WAIT, rationale=REASON), context)
    assert not verdict.blocked
    assert verdict.to_json()["issues"] == ["housekeeping_empty"]


@pytest.mark.parametrize("label", ["", "run", "Run-1", "test", "experiment_02", "my test run 3", "007", "--"])
def test_generic_labels(label: str, context: GateContext) -> None:
    assert codes(run(run_label=label), context) == ["run_label_generic"]


@pytest.mark.parametrize("label", ["lr_0.1", "test_time_flip", "größere_bilder", "resnet18 run 2"])
def test_labels_that_say_something(label: str, context: GateContext) -> None:
    assert codes(run(run_label=label), context) == []


FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"command": "  \n"}, "run_command_empty"),
    ({"builds_on": ("R0001", "R0099")}, "builds_on_unknown"),
    ({"stop_patterns": tuple("abcdefghi")}, "too_many_stop_patterns"),
    ({"stop_patterns": ("nan", " ")}, "stop_pattern_empty"),
    ({"run_label": "bad\nlabel"}, "control_character"),
    ({"run_label": "wide_" * 40}, "run_label_too_long"),
    ({"install_packages": ("timm",)}, "install_packages_not_allowed"),
    ({"install_packages": tuple(f"timm{number}" for number in range(MOST_PACKAGES + 1))}, "too_many_packages"),
    ({"housekeeping": Housekeeping(todo_new=("a", "b", "c"))}, "too_many_todo"),
    ({"housekeeping": Housekeeping(resolve_shared_todo_ids=tuple("abcdefg"))}, "too_many_todo"),
    ({"working_folder": "no/such"}, "working_folder_missing"),
    ({"working_folder": "\0"}, "working_folder_missing"),
    ({"working_folder": "x" * 20_000}, "working_folder_missing"),
    ({"working_folder": "../"}, "working_folder_missing"),
    ({"working_folder": "src/../.."}, "working_folder_missing"),
    ({"working_folder": None}, "run_command_missing_repo_context"),
    ({"run_files": (RunFile(name="big.yaml", text="x" * 262_145),)}, "run_file_too_large"),
    ({"run_files": tuple(RunFile(name=f"{n}.yaml", text="") for n in range(9))}, "too_many_run_files"),
    ({"run_files": (RunFile(name="a.yaml", text=""), RunFile(name="A.yaml", text=""))}, "run_file_name_invalid"),
    ({"run_files": (RunFile(name="c.yaml", text="arch: nnUNet\n"),)}, "forbidden_approach"),
    ({"run_label": "nnunet baseline"}, "forbidden_approach"),
]


@pytest.mark.parametrize(("fields", "code"), FIELDS, ids=[f"{code}-{next(iter(fields))}" for fields, code in FIELDS])
def test_fields_that_block(fields: dict[str, Any], code: str, context: GateContext) -> None:
    verdict = judge(run(**fields), context)
    assert code in [issue.code for issue in verdict.issues if issue.blocking]


@pytest.mark.parametrize("text", ["einops", "Einops >= 0.6", "einops==0.8.0"])
def test_packages_that_somebody_named_may_be_asked_for(text: str, context: GateContext) -> None:
    named = replace(context, sources=Sources(listed=("einops",)))
    assert not judge(run(install_packages=(text,)), named).blocked


@pytest.mark.parametrize(
    "text", ["einop", "einops @ file:///tmp/x", "--index-url=http://x", "git+https://x/einops", "."]
)
def test_packages_that_nobody_named_are_refused_with_the_reason(text: str, context: GateContext) -> None:
    named = replace(context, sources=Sources(listed=("einops",)))
    verdict = judge(run(install_packages=("einops", text)), named)
    (issue,) = [one for one in verdict.issues if one.code == "install_packages_not_allowed"]
    assert verdict.blocked and issue.message and "install_packages" in issue.fix


def test_as_many_packages_may_be_asked_for_as_one_install_takes() -> None:
    assert MOST_PACKAGES == _MOST_REQUIREMENTS


@pytest.mark.parametrize(
    "path",
    [
        "{package}/cycle/plan_lane.py",
        "{workspace}/config/command_policy.yaml",
        "../.llm_loop/state.json",
        "..\\WORKER_MISSION.md",
        "src/../../config/daemon_config.json",
        "../Config/Daemon_Config.json",
        "../config/daemon_config.json.",
        "../config/daemon_config.json::$DATA",
        "../.LLM_LOOP/state.json",
    ],
)
def test_the_loops_own_code_is_not_edited(path: str, context: GateContext) -> None:
    named = path.format(package=PACKAGE, workspace=context.workspace)
    verdict = judge(run(edits=(Edit(path=named, new_text="x = 1\n"),)), context)
    (issue,) = [one for one in verdict.issues if one.code == "own_code"]
    assert issue.blocking and "the loop's own code" in issue.message
    assert "own_code" not in codes(run(edits=(Edit(path="src/train.py", new_text="x = 1\n"),)), context)


def test_forbidden_words_in_the_rationale_are_fine(context: GateContext) -> None:
    assert codes(run(rationale="nnunet is ruled out, so a plain encoder is tried"), context) == []


def test_an_unused_run_file_is_noted_only(context: GateContext) -> None:
    verdict = judge(run(run_files=(RunFile(name="c.yaml", text="epochs: 1\n"),)), context)
    assert (verdict.blocked, verdict.to_json()["issues"]) == (False, ["run_file_unused"])


@pytest.mark.parametrize(
    ("target", "active", "expected"),
    [
        (None, ("R0002",), []),
        ("R0002", ("R0002",), []),
        (None, (), ["no_active_run"]),
        (None, ("R0001", "R0002"), ["target_run_ambiguous"]),
        ("R0009", ("R0001", "R0002"), ["target_run_unknown"]),
    ],
)
def test_which_run_to_stop(
    target: str | None, active: tuple[str, ...], expected: list[str], context: GateContext
) -> None:
    decision = Decision(
        action=Action.STOP_CURRENT_RUN,
        rationale=REASON,
        target_run_id=target,
        housekeeping=Housekeeping(notes_update="stopped: the loss rose"),
    )
    verdict = judge(decision, replace(context, active_run_ids=active))
    assert verdict.to_json()["issues"] == expected
    assert verdict.blocked == bool(expected and expected != ["no_active_run"])


def test_wildcard_folder_in_powershell_names_the_mend(context: GateContext) -> None:
    decision = run("Set-Location 'a[1] b'; python ..\\src\\train.py", working_folder=None)
    verdict = judge(decision, replace(context, shell="pwsh"))
    assert verdict.to_json()["issues"] == ["working_folder_missing"]
    assert "-LiteralPath" in verdict.issues[0].fix


def test_a_repetitive_command_gives_few_reasons(context: GateContext) -> None:
    verdict = judge(run("; ".join(f"rm -rf /data{n}" for n in range(200))), context)
    assert len(verdict.issues) == 3


@pytest.mark.parametrize(
    ("approach", "text", "found"),
    [
        ("nnunet", "python -m nnunet.run", True),
        ("nnunet", "/opt/nnUNet/train.py", True),
        ("nnunet", "'nnunet'", True),
        ("nnunet", "my_nnunet_free", False),
        ("nnunet", "nnUNetv2_train", False),
        ("nnunet*", "nnUNetv2_train", True),
        ("nnUNetv2_train", "NNUNETV2_TRAIN 1 2", True),
        ("nn-u-net", "an nn_u_net here", True),
        ("self training", "self-training", True),
        ("self training", "selftraining", False),
        ("Größe", "größe", True),
    ],
)
def test_forbidden_approaches_go_by_words(approach: str, text: str, found: bool) -> None:
    pattern = word_pattern(approach)
    assert pattern is not None
    assert bool(pattern.search(text)) is found


def test_an_approach_without_a_word_forbids_nothing(context: GateContext) -> None:
    assert codes(run(), replace(context, forbidden_approaches=("", " - "))) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "C:x",
        "CON",
        "nul.yaml",
        "com1.txt",
        "STOP",
        "Result.json",
        "keeper.lock",
        "metrics.jsonl",
        "a.yaml.",
        " a",
        "a\n",
        "x" * 121,
        "\ud800",
    ],
)
def test_names_that_no_run_file_may_have(name: str) -> None:
    assert name_trouble(name)


@pytest.mark.parametrize("name", ["config.yaml", "my config.json", "größe.yaml", "console.yaml", ".a", "stop.yaml"])
def test_names_that_a_run_file_may_have(name: str) -> None:
    assert name_trouble(name) == ""
