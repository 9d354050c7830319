"""The sandboxes of the real Codex client, tried; and how a choice is made of what the trials came to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_loop.agents.sandbox_choice import Act, Pin, SandboxChoice, keep_choice, stored_choice
from llm_loop.agents.sandbox_scene import Candidate, Trial
from llm_loop.agents.sandbox_trial import choose_sandbox, judge, windows_kinds
from llm_loop.errors import CommandError
from tests.codex_client import NPM_VERSION, PYPI_VERSION, codex_binary
from tests.windows.marks import under_wine

ALL = dict.fromkeys(Act, True)
NOTHING = dict.fromkeys(Act, False)
# Wine confines nothing and its PowerShell does nothing; it wants this file, which Codex cannot lock there when empty
INSTALLATION = "11111111-2222-4333-8444-555555555555"
# A namespace in which no further one can be made, as in many containers
NO_NAMESPACES = ("unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh")


def trial(mode: str, kind: str | None = None, works: dict[Act, bool] = ALL, **more: object) -> Trial:
    settings = {"confines": True} | more
    return Trial(candidate=Candidate(mode=mode, windows_sandbox=kind), works=works, **settings)  # type: ignore[arg-type]


def writing(kind: str | None = None, works: dict[Act, bool] = ALL, **more: object) -> Trial:
    return trial("workspace-write", kind, works, **more)


READING = trial("read-only", "unelevated", NOTHING | {Act.COMMAND: True, Act.READ_OUTSIDE: True})


# ---------------------------------------------------------------- the choice


def test_the_first_that_works_is_taken() -> None:
    choice = judge(Pin(), [writing("elevated")], windows=True)
    assert (choice.mode, choice.windows_sandbox, choice.mend, choice.refused) == (
        "workspace-write",
        "elevated",
        None,
        (),
    )
    assert choice.can_edit and choice.can_run


def test_the_weaker_one_is_taken_when_the_stronger_fails() -> None:
    broken = writing("elevated", NOTHING, complaint="helper_users_group_create_failed")
    choice = judge(Pin(), [broken, writing("unelevated")], windows=True)
    assert (choice.mode, choice.windows_sandbox, choice.mend) == ("workspace-write", "unelevated", None)
    assert "elevated" in choice.refused[0] and "helper_users_group" in choice.refused[0]


def test_one_that_edits_and_runs_goes_before_one_that_only_edits() -> None:
    only_edits = writing("elevated", ALL | {Act.COMMAND: False})
    assert judge(Pin(), [only_edits, writing("unelevated")], windows=True).windows_sandbox == "unelevated"
    choice = judge(Pin(), [only_edits, writing("unelevated", NOTHING)], windows=True)
    assert choice.windows_sandbox == "elevated" and choice.can_edit and not choice.can_run and choice.mend


def test_none_that_works_is_read_only_with_a_mend() -> None:
    broken = writing(None, NOTHING, complaint="bwrap: Creating new namespace failed")
    choice = judge(Pin(), [broken, trial("read-only", works=NOTHING)], windows=False)
    assert choice.mode == "read-only" and not choice.can_edit
    assert "edits come by its answer" in choice.reason
    assert "user namespaces" in (choice.mend or "") and "bwrap" in choice.refused[0]


@pytest.mark.parametrize("windows", [False, True])
def test_one_that_lets_writing_outside_through_is_none(windows: bool) -> None:
    choice = judge(Pin(), [writing(confines=False), READING], windows=windows)
    assert choice.mode == "read-only" and "outside" in choice.refused[-1]


def test_creating_without_updating_is_not_enough() -> None:
    half = writing("unelevated", ALL | {Act.UPDATE: False}, complaint="cannot enforce split writable root sets")
    choice = judge(Pin(), [half, READING], windows=True)
    assert (choice.mode, choice.windows_sandbox) == ("read-only", "unelevated")
    assert "local NTFS drive" in (choice.mend or "")


def test_a_pinned_mode_stays() -> None:
    broken = writing(None, NOTHING, complaint="bwrap: no")
    choice = judge(Pin(mode="workspace-write"), [broken, trial("read-only", works=NOTHING)], windows=False)
    assert choice.mode == "workspace-write" and "although" in choice.reason and choice.mend
    assert judge(Pin(mode="read-only"), [READING], windows=True).reason.startswith("sandbox_mode")


def test_full_access_is_only_what_a_person_pins(tmp_path: Path) -> None:
    choice = choose_sandbox(Pin(mode="danger-full-access"), tmp_path / "none", tmp_path, tmp_path / "store.json")
    assert (choice.mode, choice.confines, choice.can_edit) == ("danger-full-access", False, True)
    tried = [writing(None, works, confines=confines) for works in (ALL, NOTHING) for confines in (True, False)]
    modes = {judge(Pin(mode=mode), [one, READING], windows=False).mode for one in tried for mode in ("auto",)}
    assert modes == {"workspace-write", "read-only"}


def test_the_elevated_one_waits_for_consent() -> None:
    assert windows_kinds(Pin(), may_set_up=False) == ["unelevated"]
    assert windows_kinds(Pin(), may_set_up=True) == ["elevated", "unelevated"]
    assert windows_kinds(Pin(windows_sandbox="elevated"), may_set_up=False) == ["elevated"]
    assert "--set-up-sandbox" in judge(Pin(), [writing("unelevated")], windows=True).refused[0]


# ---------------------------------------------------------------- what is kept


def test_a_choice_holds_for_its_client_and_configuration(tmp_path: Path) -> None:
    store, binary = tmp_path / "store.json", tmp_path / "codex"
    binary.write_bytes(b"one")
    choice = judge(Pin(), [writing()], windows=False, version="codex-cli 1.2.3")
    keep_choice(store, Pin(), binary, choice)
    assert (
        stored_choice(store, Pin(), binary)
        == choice
        == SandboxChoice.from_json(json.loads(json.dumps(choice.to_json())))
    )
    assert stored_choice(store, Pin(mode="read-only"), binary) is None
    assert stored_choice(store, Pin(), tmp_path / "other") is None
    binary.write_bytes(b"another one")
    assert stored_choice(store, Pin(), binary) is None
    store.write_text("{", encoding="utf-8")
    assert stored_choice(store, Pin(), binary) is None


def test_full_access_is_never_taken_from_what_is_kept(tmp_path: Path) -> None:
    """A run can write the file; who asks for full access is the configuration alone."""
    store, binary = tmp_path / "store.json", tmp_path / "codex"
    for mode in ("auto", "workspace-write", "read-only"):
        pin = Pin(mode=mode)
        keep_choice(store, pin, binary, SandboxChoice(mode="danger-full-access", reason="so it says here"))
        assert stored_choice(store, pin, binary) is None
    keep_choice(store, Pin(mode="read-only"), binary, SandboxChoice(mode="workspace-write", reason="so it says here"))
    assert stored_choice(store, Pin(mode="read-only"), binary) is None


def test_a_trial_that_broke_off_is_made_again_after_an_hour(tmp_path: Path) -> None:
    store, binary = tmp_path / "store.json", tmp_path / "codex"
    broken_off = judge(Pin(), [writing(None, NOTHING, ended=False), READING], windows=False)
    keep_choice(store, Pin(), binary, broken_off)
    assert stored_choice(store, Pin(), binary) == broken_off
    value = json.loads(store.read_text(encoding="utf-8"))
    value["choice"]["tried_utc"] = "2020-01-01T00:00:00Z"
    store.write_text(json.dumps(value), encoding="utf-8")
    assert stored_choice(store, Pin(), binary) is None


# ---------------------------------------------------------------- the real client


def home_in(folder: Path) -> Path:
    home = folder / "codex_home"
    home.mkdir()
    (home / "installation_id").write_text(INSTALLATION, encoding="utf-8")
    return home


@pytest.mark.codex
@pytest.mark.skipif(os.name == "nt", reason="Linux's sandbox")
@pytest.mark.parametrize("version", [NPM_VERSION, PYPI_VERSION])
def test_the_real_client_works_here_in_its_sandbox(version: str, weird_path: Path) -> None:
    binary, store = codex_binary(version), weird_path / "codex_sandbox.json"
    choice = choose_sandbox(Pin(), binary, home_in(weird_path), store)
    assert (choice.mode, choice.refused, choice.conclusive) == ("workspace-write", (), True)
    assert choice.works == dict.fromkeys(map(str, Act), True) and choice.confines
    assert choice.codex_version == f"codex-cli {version}"
    assert sorted(path.name for path in weird_path.iterdir()) == ["codex_home", "codex_sandbox.json"]
    assert sorted(path.name for path in (weird_path / "codex_home").iterdir()) == ["installation_id"]


@pytest.mark.codex
@pytest.mark.skipif(os.name == "nt", reason="Linux's sandbox")
def test_read_only_reads_and_runs_but_writes_nothing(tmp_path: Path) -> None:
    choice = choose_sandbox(Pin(mode="read-only"), codex_binary(), home_in(tmp_path), tmp_path / "store.json")
    assert choice.mode == "read-only" and choice.can_run and not choice.can_edit
    assert choice.works[Act.READ_OUTSIDE] and choice.mend is None


def run_child(folder: Path, binary: Path, *before: str, **question: object) -> subprocess.CompletedProcess[str]:
    """Run the daemon's child in ``folder``; its answer lies there then."""
    store = folder / "loop" / "codex_sandbox.json"
    value = {"binary": str(binary), "home": str(folder / "codex_home"), "store": str(store)}
    value |= {"sandbox_mode": "auto", "windows_sandbox": "auto"}
    (folder / "request.json").write_text(json.dumps(value | question), encoding="utf-8")
    argv = [*before, sys.executable, "-X", "utf8", "-m", "llm_loop.agents.sandbox_trial", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


@pytest.mark.codex
@pytest.mark.skipif(os.name == "nt", reason="Linux's sandbox")
def test_without_user_namespaces_it_is_read_only_and_says_why(tmp_path: Path) -> None:
    if subprocess.run([*NO_NAMESPACES, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespace can be made here to take namespaces away in")
    home_in(tmp_path)
    done = run_child(tmp_path, codex_binary(), *NO_NAMESPACES)
    assert done.returncode == 0, done.stderr
    choice = SandboxChoice.from_json(json.loads((tmp_path / "answer.json").read_text(encoding="utf-8")))
    assert choice.mode == "read-only" and not choice.can_edit and not choice.can_run and choice.conclusive
    assert "namespace" in choice.refused[0] and "user namespaces" in (choice.mend or "")


@pytest.mark.codex
@pytest.mark.skipif(os.name == "nt", reason="Linux's sandbox")
def test_secrets_and_a_login_stay_out_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-one")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    home = home_in(tmp_path)
    (home / "auth.json").write_text('{"OPENAI_API_KEY": "sk-secret-two"}', encoding="utf-8")
    (home / "config.toml").write_text('sandbox_mode = "read-only"\nmodel_provider = "nobody"\n', encoding="utf-8")
    choice = choose_sandbox(Pin(), codex_binary(), home, tmp_path / "store.json")
    assert choice.mode == "workspace-write" and choice.conclusive
    assert "sk-secret" not in (tmp_path / "store.json").read_text(encoding="utf-8")


@pytest.mark.codex
def test_a_client_that_hangs_is_ended_and_a_missing_one_named(tmp_path: Path) -> None:
    choice = choose_sandbox(Pin(), codex_binary(), home_in(tmp_path), tmp_path / "store.json", deadline_s=0.01)
    assert not choice.conclusive and choice.mode == "read-only" and "less to do" in (choice.mend or "")
    with pytest.raises(CommandError, match="cannot start"):
        choose_sandbox(Pin(), tmp_path / "no codex", tmp_path / "codex_home", tmp_path / "store.json", afresh=True)
    done = run_child(tmp_path, tmp_path / "no codex")
    assert done.returncode == 2 and "cannot start" in done.stderr and not (tmp_path / "answer.json").exists()


@pytest.mark.codex
@pytest.mark.skipif(os.name != "nt", reason="the sandboxes of Windows")
def test_the_sandboxes_of_windows(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    choice = choose_sandbox(Pin(), codex_binary(), home, tmp_path / "store.json", may_set_up=under_wine())
    if not under_wine():
        assert choice.can_edit or choice.mend
        return
    # Wine cannot make the users of the elevated sandbox, and its PowerShell runs nothing
    assert (choice.mode, choice.windows_sandbox) == ("workspace-write", "unelevated")
    assert choice.can_edit and not choice.can_run and "elevated" in choice.refused[0]
    chosen = choose_sandbox(Pin(windows_sandbox="elevated"), codex_binary(), home, tmp_path / "other.json")
    assert chosen.mode == "read-only" and "unelevated" in (chosen.mend or "")
