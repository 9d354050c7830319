"""One trial of one sandbox: the real Codex client acts in it, and the disk tells what it could do.

A scripted model on loopback makes the client create a file, update one, run a command, read a file outside of its
working folder, and try to write there, each through the tools and the sandbox that a real call has. No account and
no network are needed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_command import exec_arguments, exec_environment
from llm_loop.agents.codex_request import CodexSettings
from llm_loop.agents.sandbox_choice import READ_ONLY, Act
from llm_loop.agents.scripted_model import ScriptedModel, command, patch
from llm_loop.system import files
from llm_loop.system.folders import make_folder
from llm_loop.system.short_run import Ended, run_short

_PREFIX = "sandbox_trial-"
_FORGOTTEN_S = 3600.0
_PROVIDER = "llm_loop_trial"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Name one sandbox: Codex's ``sandbox_mode`` and, on Windows, ``windows.sandbox``."""

    mode: str
    windows_sandbox: str | None = None

    def __str__(self) -> str:
        return self.mode if self.windows_sandbox is None else f"{self.mode} ({self.windows_sandbox})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Hold what came of one sandbox. ``complaint`` is the client's word on the first act that failed.

    ``ended`` is False when the client could not be brought to act at all, or not within the deadline.
    """

    candidate: Candidate
    works: Mapping[Act, bool]
    confines: bool
    complaint: str | None = None
    ended: bool = True

    @property
    def lacking(self) -> tuple[Act, ...]:
        """What this sandbox is for and did not come about."""
        return tuple(act for act, works in self.works.items() if not works and act in acts_of(self.candidate))

    @property
    def edits(self) -> bool:
        """Whether Codex can write in it, there and nowhere else."""
        return self.confines and self.works[Act.CREATE] and self.works[Act.UPDATE]

    @property
    def works_wholly(self) -> bool:
        """Whether Codex can write in it and run commands."""
        return self.edits and self.works[Act.COMMAND]

    @property
    def why(self) -> str:
        """What speaks against it, in words."""
        if not self.confines:
            return "it lets Codex write outside of its working folder"
        said = f" ({self.complaint})" if self.complaint else ""
        return "it cannot " + ", ".join(act.replace("_", " ") for act in self.lacking) + said


def acts_of(candidate: Candidate) -> tuple[Act, ...]:
    """Return what should work in a sandbox."""
    return tuple(Act) if candidate.mode != READ_ONLY else (Act.COMMAND, Act.READ_OUTSIDE)


def try_sandbox(candidate: Candidate, binary: Path, home: Path, within: Path, deadline_s: float) -> Trial:
    """Let the client act in one sandbox, in a new folder in ``within`` that is removed again.

    Raises OSError, CommandError.
    """
    make_folder(within)
    _forget_old(within)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
    try:
        return _Scene(folder, candidate).play(binary, home, deadline_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _forget_old(within: Path) -> None:
    """Remove what a trial left whose process was killed."""
    for folder in within.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(folder, ignore_errors=True)


class _Scene:
    """One working folder, one folder outside of it, and the acts between them."""

    def __init__(self, folder: Path, candidate: Candidate) -> None:
        self._folder = folder
        self._candidate = candidate
        self._inside, self._outside = folder / "inside", folder / "outside"
        self._secrets = {Act.COMMAND: secrets.token_hex(8), Act.READ_OUTSIDE: secrets.token_hex(8)}
        for place in (self._inside, self._outside):
            place.mkdir()
        (self._inside / "old.txt").write_text("old\n", encoding="utf-8")
        (self._inside / "read.txt").write_text(self._secrets[Act.COMMAND], encoding="utf-8")
        (self._outside / "read.txt").write_text(self._secrets[Act.READ_OUTSIDE], encoding="utf-8")

    def play(self, binary: Path, home: Path, deadline_s: float) -> Trial:
        acts = self._acts()
        with ScriptedModel([call for _, call in acts]) as model:
            ended = self._run(binary, self._home(home), model.base_url, deadline_s)
            answers = model.tool_answers()
        works = self._outcome("\n".join(answers.values()))
        complaint = self._complaint({act: answers.get(place, "") for place, (act, _) in enumerate(acts) if act}, works)
        if len(answers) < len(acts):
            complaint = _never_acted(ended, deadline_s)
        escaped = any(path.name != "read.txt" for path in self._outside.iterdir())
        return Trial(
            candidate=self._candidate,
            works=works,
            confines=not escaped,
            complaint=complaint,
            ended=len(answers) == len(acts),
        )

    def _acts(self) -> list[tuple[Act | None, dict[str, Any]]]:
        """Return the tool calls, each with the act that it is; bash and PowerShell read these commands alike."""
        reading: list[tuple[Act | None, dict[str, Any]]] = [
            (Act.COMMAND, command("cat read.txt")),
            (Act.READ_OUTSIDE, command('cat "../outside/read.txt"')),
        ]
        if self._candidate.mode == READ_ONLY:
            return reading
        creating = (Act.CREATE, patch(_patch("Add File: new.txt", "+new")))
        updating = (Act.UPDATE, patch(_patch("Update File: old.txt", "@@\n-old\n+updated")))
        climbing = (None, patch(_patch(f"Add File: {self._outside / 'patched.txt'}", "+new")))
        return [creating, updating, *reading, climbing, (None, command('echo new > "../outside/written.txt"'))]

    def _complaint(self, said: Mapping[Act, str], works: Mapping[Act, bool]) -> str | None:
        """Return the client's last line on what failed; what a command says tells most."""
        for act in (Act.COMMAND, *Act):
            if act in said and not works[act]:
                text = said[act].rpartition("Output:\n")[2].replace(str(self._folder), "...")
                return _last_line(text) or f"{act.replace('_', ' ')}: no word, no effect"
        return None

    def _outcome(self, answered: str) -> dict[Act, bool]:
        """Tell what each act came to, by the files and by what a command could show of them."""
        return {
            Act.CREATE: (self._inside / "new.txt").is_file(),
            Act.UPDATE: _content(self._inside / "old.txt") == "updated",
            Act.COMMAND: self._secrets[Act.COMMAND] in answered,
            Act.READ_OUTSIDE: self._secrets[Act.READ_OUTSIDE] in answered,
        }

    def _home(self, home: Path) -> Path:
        """Return the Codex home of the trial: a new one, so that no login is touched and no setting bends it.

        The elevated sandbox lives in the home that it was set up for.
        """
        if self._candidate.windows_sandbox == "elevated":
            home.mkdir(parents=True, exist_ok=True)
            return home
        own = self._folder / "home"
        own.mkdir()
        if (home / "installation_id").is_file():
            shutil.copyfile(home / "installation_id", own / "installation_id")
        return own

    def _run(self, binary: Path, home: Path, base_url: str, deadline_s: float) -> Ended:
        """Let the client act as in a call, but for its model."""
        settings = CodexSettings(
            binary=binary,
            home=home,
            model=None,
            reasoning_effort="low",
            web_search_mode="disabled",
            network_access=False,
            skip_git_repo_check=True,
            sandbox_mode=self._candidate.mode,
            windows_sandbox=self._candidate.windows_sandbox,
            extra=("--ignore-user-config", *_provider_arguments(base_url)),
        )
        tag = self._folder.name
        schema, last_message = self._folder / "schema.json", self._folder / "last_message.txt"
        files.replace_json(schema, _SCHEMA, durable=False)
        environment = {
            name: value
            for name, value in exec_environment(os.environ, home, tag).items()
            if name.upper() not in _PROXIES
        }
        return run_short(
            exec_arguments(settings, cwd=self._inside, schema=schema, last_message=last_message, tag=tag),
            cwd=self._inside,
            env=environment,
            stdin="Try the sandbox.\n",
            deadline_s=deadline_s,
        )


def _provider_arguments(base_url: str) -> list[str]:
    """Return what makes the scripted model the client's model provider."""
    settings = {
        "name": f'"{_PROVIDER}"',
        "base_url": f'"{base_url}"',
        "wire_api": '"responses"',
        "requires_openai_auth": "false",
        "request_max_retries": "0",
        "stream_max_retries": "0",
    }
    arguments = ["-c", f'model_provider="{_PROVIDER}"']
    for key, value in settings.items():
        arguments += ["-c", f"model_providers.{_PROVIDER}.{key}={value}"]
    return arguments


def _patch(head: str, body: str) -> str:
    return f"*** Begin Patch\n*** {head}\n{body}\n*** End Patch\n"


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _never_acted(ended: Ended, deadline_s: float) -> str:
    if ended.exit_code is None:
        return f"codex did not end within {deadline_s:g} s"
    return f"codex ended with {ended.exit_code}: {_last_line(ended.stderr) or 'no word'}"
