"""Try what Codex's sandboxes let through on this machine, and choose the first that works.

A sandbox that does not work does not say so: Codex ends with exit code 0 although every patch was rejected and
every command failed. So the real client is made to act, by a scripted model on loopback: it creates a file, updates
one, runs a command, reads a file outside of its working folder, and tries to write there, each through the tools and
the sandbox that a real call has. What lies on the disk afterwards tells. No account and no network are needed.

The child of the daemon: ``python -m llm_loop.agents.sandbox_trial FOLDER`` reads FOLDER/request.json (``binary``,
``home``, ``store``: paths; ``sandbox_mode``, ``windows_sandbox``: as configured; optional ``may_set_up``, ``afresh``:
booleans, ``deadline_s``: seconds for one sandbox) and writes FOLDER/answer.json, a SandboxChoice.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from llm_loop.agents.sandbox_choice import (
    READ_ONLY,
    WORKSPACE_WRITE,
    Pin,
    SandboxChoice,
    keep_choice,
    pinned_choice,
    stored_choice,
)
from llm_loop.agents.sandbox_mends import mend_of
from llm_loop.agents.sandbox_scene import Candidate, Trial, try_sandbox
from llm_loop.errors import CommandError
from llm_loop.system import files
from llm_loop.system.clock import SystemClock, utc_text
from llm_loop.system.folders import never_make_anew
from llm_loop.system.short_run import run_short

DEADLINE_S = 40.0
"""For one sandbox: on Linux a trial takes a second, on Windows ten."""
LONGEST_S = 150.0
"""For all of them: a deadline for the child."""
_NOT_SET_UP = "workspace-write (elevated): not set up; `llm-loop doctor --set-up-sandbox` does it, as an administrator"


def choose_sandbox(
    pin: Pin,
    binary: Path,
    home: Path,
    store: Path,
    *,
    may_set_up: bool = False,
    afresh: bool = False,
    deadline_s: float = DEADLINE_S,
) -> SandboxChoice:
    """Return the sandbox for this client, from ``store`` when it was chosen before (unless ``afresh``), else tried now.

    ``home`` is the loop's Codex home, ``deadline_s`` holds for each sandbox. The elevated sandbox of Windows makes
    local users and asks for administrator rights, so it is tried once it was set up, or when somebody said that it
    may be: in the configuration or by ``may_set_up``. Writes ``store`` and, beside it for as long as the trial lasts,
    a folder. Raises OSError, FileWriteError, and CommandError when the client cannot be started.
    """
    kept = pinned_choice(pin) if afresh else stored_choice(store, pin, binary)
    if kept is not None:
        return kept
    windows = os.name == "nt"
    kinds = windows_kinds(pin, may_set_up=may_set_up or is_set_up(home)) if windows else [None]
    tried: list[Trial] = []
    for kind in kinds if pin.mode != READ_ONLY else []:
        candidate = Candidate(mode=WORKSPACE_WRITE, windows_sandbox=kind)
        tried.append(try_sandbox(candidate, binary, home, store.parent, deadline_s))
        if tried[-1].works_wholly:
            break
    if not any(trial.edits for trial in tried):
        reading = Candidate(mode=READ_ONLY, windows_sandbox=kinds[-1])
        tried.append(try_sandbox(reading, binary, home, store.parent, deadline_s))
    choice = judge(pin, tried, windows=windows, version=_version(binary))
    keep_choice(store, pin, binary, choice)
    return choice


def windows_kinds(pin: Pin, *, may_set_up: bool) -> list[str | None]:
    """Return the sandboxes of Windows worth trying, the strongest first."""
    if pin.windows_sandbox != "auto":
        return [pin.windows_sandbox]
    return ["elevated", "unelevated"] if may_set_up else ["unelevated"]


def is_set_up(home: Path) -> bool:
    """Tell whether the elevated sandbox of Windows was set up for this Codex home."""
    return (home / ".sandbox" / "setup_marker.json").is_file()


def judge(pin: Pin, tried: list[Trial], *, windows: bool, version: str | None = None) -> SandboxChoice:
    """Return the best of the sandboxes tried: one in which Codex edits and runs commands, one in which it edits.

    Else it is read-only, and edits come by the answer; a pinned ``workspace-write`` stays what it is. At least one
    was tried, the strongest first, the one that only reads last.
    """
    writing = [trial for trial in tried if trial.candidate.mode == WORKSPACE_WRITE]
    best = next((trial for trial in writing if trial.works_wholly), None)
    best = best or next((trial for trial in writing if trial.edits), None)
    if best is None:
        best = writing[-1] if writing and pin.mode == WORKSPACE_WRITE else tried[-1]
    refused = [f"{trial.candidate}: {trial.why}" for trial in writing if trial is not best and not trial.works_wholly]
    if windows and writing and all(trial.candidate.windows_sandbox != "elevated" for trial in writing):
        refused.insert(0, _NOT_SET_UP)
    wanting = writing[-1] if writing and not best.edits else best
    return SandboxChoice(
        mode=best.candidate.mode,
        windows_sandbox=best.candidate.windows_sandbox,
        works={str(act): works for act, works in best.works.items()},
        confines=best.confines,
        reason=_reason(pin, best),
        mend=mend_of(wanting.lacking, wanting.complaint, windows=windows),
        refused=tuple(refused),
        codex_version=version,
        tried_utc=utc_text(SystemClock().utc_now()),
        conclusive=all(trial.ended for trial in tried),
    )


def _reason(pin: Pin, best: Trial) -> str:
    if pin.mode == best.candidate.mode:
        wanting = f", although {best.why}" if best.lacking or not best.confines else ""
        return f"sandbox_mode in the configuration asks for it{wanting}"
    if best.candidate.mode == READ_ONLY:
        return "no sandbox lets Codex write here: its edits come by its answer"
    return "Codex creates and updates files in it" + (
        " and runs commands" if best.works_wholly else f", but {best.why}"
    )


def _version(binary: Path) -> str | None:
    return run_short([str(binary), "--version"], deadline_s=20.0).stdout.strip()[:80] or None


def main(folder: Path) -> int:
    """Do the child's work; 2 and one line on standard error when the client cannot be tried at all."""
    never_make_anew(folder)
    request = files.read_json(folder / "request.json")
    pin = Pin(mode=request["sandbox_mode"], windows_sandbox=request["windows_sandbox"])
    binary, home, store = (Path(request[name]) for name in ("binary", "home", "store"))
    try:
        choice = choose_sandbox(
            pin,
            binary,
            home,
            store,
            may_set_up=request.get("may_set_up", False),
            afresh=request.get("afresh", False),
            deadline_s=request.get("deadline_s", DEADLINE_S),
        )
    except CommandError as error:
        print(error, file=sys.stderr)
        return 2
    files.replace_json(folder / "answer.json", choice.to_json(), durable=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
