"""Where a run of changed code runs: its checkout, with inputs, outputs, search path and command made to fit.

Whatever would make the run use other code than was decided is a refusal, never a silent detour.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import CommandError, ContractError
from llm_loop.versions import rules as reading
from llm_loop.versions.checkout import CheckoutRequest, open_version, read_record, take_repository, write_record
from llm_loop.versions.command_words import words_of
from llm_loop.versions.linking import PlacedLink, check_links_can_be_made, link_inputs, wanted_inputs
from llm_loop.versions.mapping import Mapper, spellings
from llm_loop.versions.names import no_code_folders, tidy
from llm_loop.versions.proof import Proof, edited_module, prove
from llm_loop.versions.python_search import interpreters
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.store import Version
from llm_loop.versions.tree import restore_links

SCHEMA_VERSION = 1
_PROOF_S = 60.0
_SCRIPTS = (".sh", ".bash", ".ps1", ".cmd", ".bat")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRequest:
    """Hold what is to be placed. ``working_folder`` is relative to the repository, None the repository itself."""

    checkout: CheckoutRequest
    change: CodeChange
    command: str
    shell: str
    train_python: Path
    working_folder: str | None = None
    proof_seconds: float = _PROOF_S

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the request from its JSON form. Raises ContractError."""
        try:
            change = CodeChange.from_json(value["change"])
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError("the request", [f"change: no change of code ({error})"]) from error
        folder = value.get("working_folder")
        return cls(
            checkout=CheckoutRequest.from_json(value.get("checkout")),
            change=change,
            command=reading.text(value, "command"),
            shell=reading.text(value, "shell"),
            train_python=reading.path(value, "train_python"),
            working_folder=None if folder is None else str(folder),
            proof_seconds=float(value.get("proof_seconds", _PROOF_S)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold where a run runs, ready for its launch.

    ``command`` is what is launched, ``command_decided`` what was decided. ``python_path`` are the folders for the
    front of PYTHONPATH. ``outputs`` are folder names that ``linking.lead_outputs`` leads into each attempt's folder,
    ``known_outputs`` those entries of the repository's own that the command names. ``refused`` is a sentence when
    the run cannot run there; then the rest says how far it came.
    """

    checkout_id: str
    checkout: str
    version: str
    cwd: str
    command: str
    command_decided: str
    python_path: tuple[str, ...] = ()
    inputs: tuple[PlacedLink, ...] = ()
    outputs: tuple[str, ...] = ()
    known_outputs: tuple[PlacedLink, ...] = ()
    proofs: tuple[Proof, ...] = ()
    refused: str | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = asdict(self)
        return {name: list(one) if isinstance(one, tuple) else one for name, one in value.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the place from its JSON form, which only the loop writes. Raises KeyError, TypeError."""
        fields = dict(value)
        for name in ("inputs", "known_outputs"):
            fields[name] = tuple(PlacedLink(**one) for one in fields[name])
        fields["proofs"] = tuple(Proof(**one) for one in fields["proofs"])
        for name in ("python_path", "outputs"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


def place(request: PlaceRequest) -> Place:
    """Make the checkout of a change ready for its run and return the place, refused or not.

    The checkout is made equal to the change's version first, whatever became of it meanwhile. Raises CodeRefused
    when there is no such version, FileWriteError.
    """
    checkout = request.checkout
    version = checkout.store.read(request.change.version)
    found = Place(
        checkout_id=checkout.checkout_id,
        checkout=str(checkout.folder),
        version=version.id,
        cwd=str(checkout.folder),
        command=request.command,
        command_decided=request.command,
    )
    try:
        open_version(checkout, version, request.change.base)
        return _Placing(request, version).placed(found)
    except (CodeRefused, CommandError) as refused:
        return Place.from_json(found.to_json() | {"refused": str(refused)})


class _Placing:
    def __init__(self, request: PlaceRequest, version: Version) -> None:
        self._request, self._version = request, version
        self._checkout = request.checkout
        self._folder, self._repository = request.checkout.folder, request.checkout.repository
        workspace = self._checkout.checkouts.parent.parent
        if self._checkout.checkouts.parent.name != ".llm_loop":
            raise CodeRefused(f"{self._checkout.checkouts} is not the folder of checkouts of a workspace")
        self._token = "{workspace}/" + self._folder.relative_to(workspace).as_posix()
        self._tokens = {"workspace": str(workspace)}
        roots = spellings(self._repository, workspace)
        self._mapper = Mapper(roots=roots, token=self._token, workspace=str(workspace), shell=request.shell)

    def placed(self, found: Place) -> Place:
        here = self._working_folder()
        command = self._mapper.map(self._request.command, here)
        inputs = self._link_inputs()
        cwd = self._cwd(here)
        outputs = tuple(sorted(self._checkout.rules.output_paths() & self._no_code()))
        if outputs:
            check_links_can_be_made(self._checkout.checkouts)
        paths = tuple(path for path in (self._folder, self._folder / "src") if path.is_dir())
        proofs = self._prove(command, here, cwd, paths)
        record = read_record(self._checkout.checkouts, self._checkout.checkout_id) or {}
        write_record(self._checkout.checkouts, self._checkout.checkout_id, record | {"state": "placed"})
        return Place(
            checkout_id=found.checkout_id,
            checkout=found.checkout,
            version=found.version,
            cwd=str(cwd),
            command=command,
            command_decided=found.command_decided,
            python_path=tuple(map(str, paths)),
            inputs=inputs,
            outputs=outputs,
            known_outputs=self._known_outputs(command, here, outputs),
            proofs=proofs,
        )

    def _working_folder(self) -> str:
        named = tidy(self._request.working_folder or ".")
        folder = posixpath.normpath(named)
        if folder.startswith(("/", "~")) or folder.split("/")[0] == ".." or re.match(r"[A-Za-z]:", folder):
            raise CodeRefused(f"working_folder {named[:120]!r} does not lie in the training repository")
        return folder

    def _cwd(self, here: str) -> Path:
        cwd = self._folder / here
        if not cwd.is_dir() or not Path(os.path.realpath(cwd)).is_relative_to(os.path.realpath(self._folder)):
            raise CodeRefused(f"working_folder {here!r} is no folder of the code: a run cannot start there")
        return cwd

    def _no_code(self) -> frozenset[str]:
        return frozenset(no_code_folders(self._checkout.rules, self._version.files))

    def _link_inputs(self) -> tuple[PlacedLink, ...]:
        if failed := restore_links(self._folder, self._version):
            raise CodeRefused(f"the link {failed[0]} of the repository cannot be made here: the run stays in place")
        rules = self._checkout.rules
        found = self._checkout.store.scan(self._repository, rules)
        wanted = wanted_inputs(self._repository, found.inputs, rules.keep_out)
        return link_inputs(self._folder, self._repository, wanted)

    def _known_outputs(self, command: str, here: str, outputs: tuple[str, ...]) -> tuple[PlacedLink, ...]:
        """Return what the command names of outputs that the repository has from before."""
        found: dict[str, PlacedLink] = {}
        for path in self._named_paths(command, here):
            for output in outputs:
                name = path.removeprefix(f"{output}/").split("/")[0] if path.startswith(f"{output}/") else ""
                target = self._repository / output / name
                if name and target.exists():
                    one = f"{output}/{name}"
                    found[one] = PlacedLink(path=one, target=os.path.realpath(target), kind="known_output")
        return tuple(found.values())

    def _named_paths(self, command: str, here: str) -> list[str]:
        """Return the paths in the repository that a mapped command names, relative to it."""
        found = []
        for word in words_of(command, self._request.shell, here):
            for piece in re.split(r"[=,;:\s'\"]", word.text.replace(self._token, "\0")):
                piece = piece.replace("\\", "/")
                if piece.startswith("\0"):
                    found.append(posixpath.normpath(piece[1:].lstrip("/")))
                elif piece and word.folder is not None and not piece.startswith(("/", "~", "-", "$")):
                    found.append(posixpath.normpath(posixpath.join(word.folder, piece)))
        return found

    def _prove(self, command: str, here: str, cwd: Path, paths: tuple[Path, ...]) -> tuple[Proof, ...]:
        now = take_repository(self._checkout).files
        edited = [path for path, one in self._version.files.items() if path.endswith(".py") and now.get(path) != one]
        if not edited:
            return ()
        before = {path: now[path].sha256 if path in now else None for path in edited}
        modules = [edited_module(path, before[path], self._version.files) for path in sorted(edited)]
        named = self._named_scripts(command, here)
        pythons = interpreters(
            command,
            self._request.shell,
            folder=here,
            cwd=cwd,
            paths=paths,
            python=self._request.train_python,
            deadline_s=self._request.proof_seconds,
            tokens=self._tokens,
        )
        proofs = [prove(modules, python, self._folder, self._repository, named) for python in pythons]
        return proofs[0]

    def _named_scripts(self, command: str, here: str) -> frozenset[str]:
        """Return the files that the command runs by their path, also through a shell script of the repository."""
        named = {path for path in self._named_paths(command, here) if path in self._version.files}
        for script in [path for path in named if path.endswith(_SCRIPTS)]:
            try:
                text = read_outside(self._folder / script, 1_000_000).decode("utf-8", "replace")
            except OSError:
                continue
            words = re.split(r"[\s'\"=;|&()]+", text.replace("\\", "/"))
            folders = (here, posixpath.dirname(script))
            named |= {
                path
                for word in words
                for folder in folders
                if (path := posixpath.normpath(posixpath.join(folder, word))) in self._version.files
            }
        return frozenset(named)
