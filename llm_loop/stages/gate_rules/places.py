"""Say where a path of a command leads, and in which area that place lies.

A path is followed through variables, ``~``, ``..``, mixed slashes and links, from the folder in which
the command stands at that point. ``{run_dir}`` stands for a folder that does not exist yet,
``{workspace}`` for the workspace.
"""

# Plain texts, not Path: thousands of words are looked at, and `..` must stay until it is followed.
# ruff: noqa: PTH112, PTH114, PTH118, PTH119, PTH206

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from llm_loop.contract.command_policy import Area, CommandPolicy
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.environment_scrubbing import without_secrets

_VARIABLE = re.compile(r"\$env:(\w+)|\$\{env:(\w+)\}|\$\{(\w+)\}|\$(\w+)|%(\w+)%", re.IGNORECASE)
_WORKING_FOLDER = ("$(pwd)", "`pwd`", "$(Get-Location)", "${PWD}", "$PWD", "$pwd", "%CD%", "%cd%")
_DRIVE = re.compile(r"[A-Za-z]:")
_HARMLESS_DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/tty", "/dev/shm/*", "/dev/fd/*")


class Places:
    """Know the folders that matter, as real paths, and follow paths to them."""

    def __init__(
        self,
        workspace: Path,
        training_repo_root: Path,
        sealed_root: Path,
        policy: CommandPolicy,
        checkout: Path | None = None,
    ) -> None:
        """Look the folders up; ``checkout`` is the copy of the training repository that the command will run in."""
        self.policy = policy
        self.workspace = _real(workspace)
        self.repository = _real(training_repo_root)
        self.checkout = None if checkout is None else _real(checkout)
        self.start = self.checkout or self.repository
        self.sealed = _real(sealed_root)
        paths = WorkspacePaths(Path(self.workspace))
        self.loop = _real(paths.loop)
        self.codex_home = _real(paths.codex_home)
        self.run_dir = _case(os.path.join(self.loop, "runs", "{run}", "attempt"))
        copies = (self.repository, *filter(None, [self.checkout]))
        self.git_folders = tuple(_case(os.path.join(root, ".git")) for root in (self.workspace, *copies))
        self.outputs = tuple(_case(os.path.join(root, name)) for root in copies for name in policy.output_folders)
        # as in a run; and what a refusal says is journaled and told to a model
        self.variables = {**without_secrets(os.environ), "LLM_LOOP_RUN_DIR": "{run_dir}"}
        self._code_folders = (_real(paths.checkouts), _real(paths.versions))
        self._seen: dict[tuple[str, str], str | None] = {}
        self._folders: dict[str, str] = {}

    def expand(self, text: str, variables: Mapping[str, str], folder: str) -> str:
        """Replace the variables that are known; the others stay as written."""
        if "$" not in text and "%" not in text and "`" not in text:
            return text
        for name in _WORKING_FOLDER:
            text = text.replace(name, folder)

        def value(found: re.Match[str]) -> str:
            name = next(group for group in found.groups() if group is not None)
            return variables.get(name, self.variables.get(name, self.variables.get(name.upper(), found[0])))

        return _VARIABLE.sub(value, text)

    def resolve(self, text: str, folder: str) -> str | None:
        """Return the real path that ``text`` means in ``folder``, or None when it cannot be told."""
        key = (text, folder)
        if key not in self._seen:
            self._seen[key] = self._resolve(self.expand(text, {}, folder), folder)
        return self._seen[key]

    def _resolve(self, text: str, folder: str) -> str | None:
        text = text.strip().removeprefix("Microsoft.PowerShell.Core\\FileSystem::").replace("\\", "/")
        if not text or "\0" in text or "$" in text or "`" in text or len(text) > 4096:
            return None
        for name, path in (("{run_dir}", self.run_dir), ("{workspace}", self.workspace)):
            text = text.replace(name, path.replace("\\", "/"))
        if text == "~" or text.startswith("~/"):
            home = self.variables.get("HOME") or self.variables.get("USERPROFILE") or "/"
            text = home.replace("\\", "/") + text[1:]
        elif text.startswith("~"):
            text = "/home/" + text[1:]
        if os.name == "nt" and text.startswith("/dev/"):
            return text  # a device of the shell's own world, not a folder of the drive
        if os.name != "nt" and _DRIVE.match(text):
            text = "/" + text  # a Windows path on another system: absolute, and nowhere of ours
        return self._followed(os.path.normpath(os.path.join(folder, text)), os.path.join(folder, text))

    def _followed(self, plain: str, written: str) -> str:
        """Follow links: ``..`` behind a link is taken as the system takes it."""
        try:
            if ".." in written:
                return _case(os.path.realpath(written))
            parent, name = os.path.split(plain)
            if parent not in self._folders:
                self._folders[parent] = os.path.realpath(parent)
            path = os.path.join(self._folders[parent], name)
            return _case(os.path.realpath(path) if os.path.islink(path) else path)
        except (OSError, ValueError, UnicodeError):
            return _case(plain)

    def is_context(self, path: str) -> bool:
        """Say whether a resolved path is a folder that exists in the training repository."""
        return self.is_in_repository(path) and os.path.isdir(path)

    def is_in_repository(self, path: str) -> bool:
        """Say whether a resolved path lies in the training repository or in the run's own checkout of it."""
        return inside(path, self.repository) or self._is_in_checkout(path)

    def _is_in_checkout(self, path: str) -> bool:
        return self.checkout is not None and inside(path, self.checkout)

    def is_sealed(self, path: str) -> bool:
        """Say whether a resolved path, wildcards included, leads into the sealed folder."""
        return self._leads_into(path, self.sealed)

    def is_codex_home(self, path: str) -> bool:
        """Say whether a resolved path leads into the folder that holds the login."""
        return self._leads_into(path, self.codex_home)

    def is_foreign_code(self, path: str) -> bool:
        """Say whether a resolved path leads into a checkout other than the run's own, or into the version store."""
        return any(self._leads_into(path, root) for root in self._code_folders) and not self._is_in_checkout(path)

    def _leads_into(self, path: str, root: str) -> bool:
        if inside(path, root):
            return True
        if not any(char in path for char in "*?["):
            return False
        wanted, given = root.split(os.sep), path.split(os.sep)
        return len(given) >= len(wanted) and all(
            name == pattern or (fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith(".")))
            for name, pattern in zip(wanted, given, strict=False)
        )

    def lies_within(self, path: str | None, area: Area) -> bool:
        """Say whether a resolved path lies in ``area``; None is a path that cannot be told."""
        if area is Area.UNPROTECTED:
            return path is None or not self.is_protected(path)
        if path is None:
            return False
        if area is Area.REPOSITORY:
            return inside(path, self.run_dir) or (self.is_in_repository(path) and not self.is_protected(path))
        return self._is_removable(path)

    def _is_removable(self, path: str) -> bool:
        if self.is_protected(path):
            return False
        name = os.path.basename(path)
        if path == self.run_dir or inside(path, self.run_dir):
            return path != self.run_dir
        if self.is_in_repository(path) and any(fnmatchcase(name, one) for one in self.policy.removable_names):
            return True
        return any(_strictly_inside(path, root) for root in self.outputs)

    def is_protected(self, path: str) -> bool:
        """Say whether a run must not write here: the loop's own folders, ``.git``, devices."""
        if inside(path, self.run_dir):
            return False
        if path.startswith("/dev/"):
            return not any(fnmatchcase(path, device) for device in _HARMLESS_DEVICES)
        if any(inside(path, git) for git in self.git_folders):
            return True
        return (self._leads_into(path, self.loop) and not self._is_in_checkout(path)) or self.is_sealed(path)


def inside(path: str, root: str) -> bool:
    """Say whether ``path`` is ``root`` or lies in it; both are real paths."""
    return path == root or path.startswith(root if root.endswith(os.sep) else root + os.sep)


def _strictly_inside(path: str, root: str) -> bool:
    """Say whether ``path`` is some, but not all, of what lies in ``root``."""
    return path != root and inside(path, root) and os.path.relpath(path, root).strip("*.?") != ""


def _real(path: Path) -> str:
    return _case(os.path.realpath(path))


def _case(path: str) -> str:
    return os.path.normcase(path)
