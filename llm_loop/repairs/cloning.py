"""Clone a source repository at a ref into the folder of model sources; one that is there already is taken again.

Address and ref come from the configuration alone. The clone is made aside and put in its place when it is whole.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from llm_loop.errors import ContractError, CorruptFileError, FileWriteError
from llm_loop.repairs.git import Git, check_words, without_login
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.request import absolute
from llm_loop.repairs.work import Work
from llm_loop.system import files
from llm_loop.system.folders import make_folder

_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,58}[a-z0-9])?")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@-]{0,200}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_NETWORK = re.compile(r"(?:https|ssh)://[^\s]+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[^\s:][^\s]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneRequest:
    """Hold what to clone; ``base`` is the folder that a relative local path starts from, ``sources`` takes the clones.

    ``ref`` and ``subdir`` may be "": the default branch, the root.
    """

    name: str
    repo: str
    ref: str
    subdir: str
    editable: bool
    base: Path
    sources: Path

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from a request that the loop wrote. Raises ContractError for a wrong form."""
        given = {key: value.get(key, default) for key, default in (("name", None), ("repo", None))}
        given |= {key: value.get(key) or "" for key in ("ref", "subdir")}
        for key, text in given.items():
            if not isinstance(text, str) or (not text and key in ("name", "repo")):
                raise ContractError("the request", [f"{key}: {text!r} is no text that names it"])
        return cls(
            **given,
            editable=value.get("editable", True) is True,
            base=absolute(value, "base"),
            sources=absolute(value, "sources"),
        )

    @property
    def folder(self) -> Path:
        """The folder of the clone."""
        return self.sources / folder_name(self.name)

    @property
    def install_folder(self) -> Path:
        """The folder in the clone that pip installs."""
        return self.folder / self.subdir if self.subdir else self.folder


def folder_name(name: str) -> str:
    """Return the name of a clone's folder for a module's or a model's name: itself, where every system takes it."""
    lower = name.lower()
    if _PLAIN.fullmatch(lower) and not _DEVICES.fullmatch(lower):
        return lower
    plain = re.sub(r"[^a-z0-9]+", "-", lower).strip("-")[:40]
    return f"{plain or 'source'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def clone(request: CloneRequest, work: Work) -> str:
    """Have a clone in its folder at its ref; return the commit. Raises RepairRefused, FileWriteError."""
    check_words([request.repo, request.subdir])
    address = _address(request)
    if request.ref and (not _REF.fullmatch(request.ref) or ".." in request.ref or "@{" in request.ref):
        raise RepairRefused(Reason.NOT_ALLOWED, f"{request.ref[:80]!r} is no branch, tag or commit")
    git = Git.found(work)
    commit = _commit_there(request, address, git)
    if commit is None:
        commit = _cloned(request, address, git)
    else:
        work.note(f"{request.folder} is there already, at {commit}")
    _check_install_folder(request)
    return commit


def _address(request: CloneRequest) -> str:
    """Return the address for git: https, ssh, or an absolute local path. Raises RepairRefused for any other."""
    given = request.repo.strip()
    if _NETWORK.fullmatch(given) and "::" not in given.partition("/")[0]:
        return given
    if given.startswith("file://"):
        return given
    if "://" not in given and "::" not in given and "\0" not in given:
        place = os.path.join(request.base, os.path.expanduser(given))  # noqa: PTH111, PTH118 - any text may come
        if os.path.isdir(place):  # noqa: PTH112
            return place
    raise RepairRefused(
        Reason.NOT_ALLOWED,
        f"{without_login(given)[:120]!r} is neither an https or ssh address nor a folder that is there: "
        "it is not cloned",
    )


def _noted(request: CloneRequest, address: str, commit: str) -> dict[str, str]:
    digest = hashlib.sha256(address.encode()).hexdigest()  # an address may hold a password
    return {"address_sha256": digest, "ref": request.ref, "commit": commit}


def _note_file(request: CloneRequest) -> Path:
    return request.folder.with_name(f"{request.folder.name}.json")


def _commit_there(request: CloneRequest, address: str, git: Git) -> str | None:
    """Return the commit of a clone that is there, of that address, at that ref and unchanged; else None."""
    try:
        noted = files.read_json(_note_file(request))
        commit = str(noted["commit"])
    except (OSError, CorruptFileError, KeyError, TypeError):
        return None
    if noted != _noted(request, address, commit) or not (request.folder / ".git").is_dir():
        return None
    code, head = git.ask("rev-parse", "HEAD", folder=request.folder)
    if code != 0 or head.strip() != commit:
        return None
    code, changes = git.ask("status", "--porcelain", "--untracked-files=no", folder=request.folder)
    return commit if code == 0 and not changes.strip() else None


def _cloned(request: CloneRequest, address: str, git: Git) -> str:
    aside = request.sources / f".new-{secrets.token_hex(4)}"
    try:
        make_folder(request.sources)
        git.run(
            "clone",
            "--no-checkout",
            "--template=",
            "--filter=blob:none",
            "--no-recurse-submodules",
            "--",
            address,
            str(aside),
        )
        commit = _resolved(request.ref, aside, git)
        git.run("checkout", "--quiet", "--detach", commit, folder=aside)
        _put_in_place(aside, request.folder)
        files.replace_json(_note_file(request), _noted(request, address, commit))
    except OSError as error:
        raise FileWriteError(request.folder, "write", error) from error
    finally:
        with suppress(OSError):
            _remove(aside)
    return commit


def _resolved(ref: str, folder: Path, git: Git) -> str:
    """Return the commit that a ref names: a branch, a tag, or a commit itself. Raises RepairRefused."""
    names = [f"refs/remotes/origin/{ref}", f"refs/tags/{ref}"] if ref else ["HEAD"]
    if _COMMIT.fullmatch(ref):
        names.append(ref)
        if len(ref) >= 40 and git.ask("cat-file", "-e", f"{ref}^{{commit}}", folder=folder)[0] != 0:
            git.ask("fetch", "--no-tags", "origin", ref, folder=folder)  # a commit that no branch leads to
    for name in names:
        code, said = git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", folder=folder)
        if code == 0 and _COMMIT.fullmatch(said.strip()):
            return said.strip()
    raise RepairRefused(Reason.CLONE_FAILED, f"the repository has no branch, tag or commit {ref!r}")


def _check_install_folder(request: CloneRequest) -> None:
    """Raise RepairRefused unless what is to be installed lies in the clone and can be installed."""
    root, place = Path(os.path.realpath(request.folder)), Path(os.path.realpath(request.install_folder))
    if not place.is_relative_to(root):
        raise RepairRefused(Reason.NOT_ALLOWED, f"subdir {request.subdir[:80]!r} does not lie in the repository")
    if not any((place / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise RepairRefused(
            Reason.CLONE_FAILED, f"there is no pyproject.toml or setup.py in {request.install_folder}: set subdir"
        )


def _put_in_place(aside: Path, folder: Path) -> None:
    _remove(folder)
    files.patiently(folder, functools.partial(os.rename, aside, folder))


def _remove(folder: Path) -> None:
    """Remove a clone; a missing one is fine. Git's own files are read-only, which Windows does not remove."""
    if not folder.is_dir():
        return
    if os.name == "nt":
        for place, _, names in os.walk(folder):
            for file in (Path(place) / name for name in names):
                if stat.S_ISREG(file.lstat().st_mode):
                    file.chmod(0o600)
    shutil.rmtree(folder)
