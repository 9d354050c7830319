"""The gate on changes of code: what it judges is what will run; and what it says tells no secret."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.decision import Action, Decision, Edit, Housekeeping
from llm_loop.stages.gate import GateContext, Verdict, judge, load_policy
from tests.conftest import REPOSITORY
from tests.versions.foreign import Foreign, make_foreign, write_files

REMOVES = "import shutil\nshutil.rmtree('/home/somebody/photos')\n"


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return make_foreign(tmp_path)


def decision(command: str = "python train.py", **fields: Any) -> Decision:
    given: dict[str, Any] = {
        "action": Action.RUN_COMMAND,
        "rationale": "The last three runs point at too little augmentation.",
        "command": command,
        "run_label": "mixup_alpha_02",
        "working_folder": ".",
        "housekeeping": Housekeeping(notes_update="mixup next"),
    }
    return Decision(**(given | fields))


def context_of(foreign: Foreign, change: CodeChange | None = None) -> GateContext:
    return GateContext(
        workspace=foreign.workspace,
        training_repo_root=foreign.repository,
        sealed_root=foreign.workspace / ".llm_loop_sealed",
        forbidden_approaches=(),
        policy=load_policy(REPOSITORY / "config" / "command_policy.yaml"),
        shell="bash",
        known_run_ids=frozenset({"R0001"}),
        active_run_ids=("R0001",),
        code=change,
        checkout=None if change is None else foreign.checkouts / change.checkout,
    )


def codes(verdict: Verdict) -> list[str]:
    return [issue.code for issue in verdict.issues if issue.blocking]


def judged(foreign: Foreign, path: str, text: str) -> list[str]:
    change = foreign.changed([Edit(path=path, new_text=text)])
    assert not change.refusals
    return codes(judge(decision(), context_of(foreign, change)))


def test_what_is_judged_is_what_runs(foreign: Foreign) -> None:
    """A process that was left behind may write into the checkout once more; the run gets the version all the same."""
    change = foreign.changed([Edit(path="train.py", new_text=REMOVES)])
    write_files(foreign.checkouts / change.checkout, {"train.py": "print('harmless')\n"})
    assert codes(judge(decision(), context_of(foreign, change))) == ["destructive_command"]
    fine = foreign.changed([Edit(path="train.py", new_text="print('harmless')\n")], "c2")
    write_files(foreign.checkouts / "c2", {"train.py": REMOVES})
    assert codes(judge(decision(), context_of(foreign, fine))) == []


def test_a_change_whose_version_is_gone_is_refused(foreign: Foreign) -> None:
    change = foreign.changed([Edit(path="train.py", new_text="print('harmless')\n")])
    verdict = judge(decision(), context_of(foreign, replace(change, version="0" * 16)))
    assert codes(verdict) == ["edit_refused"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("netlib_extra.py", REMOVES),
        ("window.pyw", REMOVES),
        ("tool", f"#!/usr/bin/env python3\n{REMOVES}"),
        ("tool", "#!/bin/sh\nrm -rf ~\n"),
        ("tool.txt", "#!/usr/bin/env -S bash -e\nrm -rf ~\n"),
        ("sitecustomize.py", "import os\nos.system('rm -rf ~')\n"),
        ("torch/__init__.py", REMOVES),
        ("conftest.py", "import subprocess\nsubprocess.run(['rm', '-rf', '/home/somebody'])\n"),
        ("tool.sh", "git clean -xdf\n"),
    ],
)
def test_new_code_is_read_whatever_it_is_called(foreign: Foreign, path: str, text: str) -> None:
    assert judged(foreign, path, text) == ["destructive_command"]


def test_a_script_that_does_no_harm_passes(foreign: Foreign) -> None:
    assert judged(foreign, "tool", "#!/usr/bin/env bash\nset -e\npython train.py --out runs/x\n") == []


NAMING_OTHERS = [
    "python {workspace}/.llm_loop/checkouts/C0001-worker-1/train.py",
    "cd '{root}/.llm_loop/checkouts/C0001-worker-1' && python train.py",
    "cd '{root}/.llm_loop' && python checkouts/C0001-worker-1/train.py",
    "PYTHONPATH='{root}/.llm_loop/checkouts/C0001-worker-1' python train.py",
    "cp '{root}/.llm_loop/versions/objects/ab/cd' {run_dir}/x.py",
    "python '{root}/.llm_loop/runs/../checkouts/C0001-worker-1/train.py'",
    "python train.py --init='{root}/.llm_loop/checkouts/C0001-worker-1/w.pt'",
    "python -c \"exec(open('{root}/.llm_loop/checkouts/C0001-worker-1/x.py').read())\"",
]


@pytest.mark.parametrize("command", NAMING_OTHERS)
def test_code_that_nobody_accepted_cannot_be_named(foreign: Foreign, command: str) -> None:
    """Each checkout of a refused proposal lies there until it is taken again, and its worker knows its path."""
    command = command.replace("{root}", str(foreign.workspace))
    assert "foreign_code_access" in codes(judge(decision(command), context_of(foreign)))
    change = foreign.changed([Edit(path="train.py", new_text="print('harmless')\n")])
    assert "foreign_code_access" in codes(judge(decision(command), context_of(foreign, change)))


def test_the_runs_own_checkout_and_other_runs_may_be_named(foreign: Foreign) -> None:
    change = foreign.changed([Edit(path="train.py", new_text="import sys\nsys.path.append('..')\nopen('../x')\n")])
    own = foreign.checkouts / change.checkout
    for command in (f"cd '{own}' && python train.py", f"python '{own}/train.py' --out runs/x"):
        assert codes(judge(decision(command), context_of(foreign, change))) == []
    weights = "python train.py --init {workspace}/.llm_loop/runs/R0001/attempt-1/best.pt"
    assert codes(judge(decision(weights), context_of(foreign))) == []


SECRET_COMMANDS = [
    "rm -rf $CODEX_API_KEY",
    "rm -rf ~/$HF_TOKEN",
    'bash -c "rm -rf $HF_TOKEN"',
    "cat .llm_loop_sealed/$CODEX_API_KEY",
    "cat codex_home/${CODEX_API_KEY}",
    "python train.py --eval-split test,$CODEX_API_KEY",
    "cp a /dev/sda/$CODEX_API_KEY",
    "cd $CODEX_API_KEY && python train.py",
    "python -c \"import shutil; shutil.rmtree('/x/$CODEX_API_KEY')\"",
]


@pytest.mark.parametrize("command", SECRET_COMMANDS)
def test_a_refusal_tells_no_secret_of_the_loops_environment(
    foreign: Foreign, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is journaled, and told to the model that asked."""
    monkeypatch.setenv("CODEX_API_KEY", "s3cret-one")
    monkeypatch.setenv("HF_TOKEN", f"{os.sep}s3cret-two")
    monkeypatch.setenv("DATASET", "digits")
    verdict = judge(decision(command), context_of(foreign))
    assert "s3cret" not in json.dumps(verdict.to_json())
    assert "digits" in json.dumps(judge(decision("rm -rf ~/$DATASET"), context_of(foreign)).to_json())
