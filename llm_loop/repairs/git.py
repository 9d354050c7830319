"""How git is started for a clone: no hooks, no questions, no protocol that runs programs, no password in the log."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_loop.errors import CommandError
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.work import Work, bare_environment
from llm_loop.system import files
from llm_loop.system.processes import resolve_program

_LOGIN = re.compile(r"://[^/\s]*@")
_MOST_SAID_BYTES = 200_000
_PERSONS_OWN = frozenset({"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_PROXY_COMMAND", "GIT_CONFIG_GLOBAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Hold a git that works for one repair."""

    program: str
    work: Work

    @classmethod
    def found(cls, work: Work) -> Git:
        """Return the git on PATH. Raises RepairRefused where there is none."""
        try:
            return cls(program=resolve_program("git", os.environ.get("PATH", os.defpath)), work=work)
        except CommandError as error:
            raise RepairRefused(Reason.CLONE_FAILED, f"git is needed to clone a source: {error}") from error

    def run(self, *words: str, folder: Path | None = None) -> str:
        """Run git, in the repository ``folder``; return what it said. Raises RepairRefused when it fails."""
        code, said = self.ask(*words, folder=folder)
        if code != 0:
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            last = f": {lines[-1][:200]}" if lines else ""
            raise RepairRefused(Reason.CLONE_FAILED, f"git {words[0]} ended with exit code {code}{last}")
        return said

    def ask(self, *words: str, folder: Path | None = None) -> tuple[int, str]:
        """Run git; return its exit code and what it said, without logins. Raises RepairRefused past the end."""
        told, hooks = self.work.folder / "git.txt", self.work.folder / "no-hooks"
        files.replace_text(told, "", durable=False)
        settings = {
            "core.hooksPath": str(hooks),  # a folder that is not there: a template's hooks do not run
            "core.fsmonitor": "false",
            "core.longPaths": "true",
            "credential.interactive": "never",
            "submodule.recurse": "false",
            "advice.detachedHead": "false",
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        place = [] if folder is None else ["-C", str(folder)]
        self.work.note(without_login(f"$ git {' '.join([*place, *words])}"))
        code = self.work.run([self.program, *given, *place, *words], _environment(), what="git", into=told)
        said = without_login(files.read_tail(told, _MOST_SAID_BYTES))
        self.work.note(said.rstrip("\n"))
        return code, said


def without_login(text: str) -> str:
    """Return a text in which addresses have no user and password."""
    return _LOGIN.sub("://***@", text)


def check_words(words: Sequence[str]) -> None:
    """Raise RepairRefused for a word that git could take for an option, or that no address or ref has."""
    for word in words:
        if word.startswith("-") or not word.isprintable() or len(word) > 1000:
            raise RepairRefused(Reason.NOT_ALLOWED, f"{word[:80]!r} is no address or ref of a repository")


def _environment() -> dict[str, str]:
    bare = bare_environment()
    kept = {name: value for name, value in bare.items() if not name.upper().startswith("GIT_") or name in _PERSONS_OWN}
    if not {"GIT_SSH", "GIT_SSH_COMMAND"} & kept.keys():
        kept["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GCM_INTERACTIVE": "never",
        "GIT_ALLOW_PROTOCOL": "file:https:ssh",
        "LC_ALL": "C",
    }
