"""What the child of a Codex call is told: the form of ``request.json`` in the call's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.observation import Role
from llm_loop.errors import ContractError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexSettings:
    """Hold how Codex is called.

    ``binary`` is the native program, ``home`` the loop's own CODEX_HOME; ``model`` None: Codex's own choice.
    ``sandbox_mode`` is one of Codex's three, ``windows_sandbox`` elevated, unelevated or None. ``mcp``: offer the
    loop's read tools. ``extra`` are further arguments of ``codex exec``.
    """

    binary: Path
    home: Path
    model: str | None
    reasoning_effort: str
    web_search_mode: str
    network_access: bool
    skip_git_repo_check: bool
    sandbox_mode: str
    windows_sandbox: str | None = None
    mcp: bool = False
    extra: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the settings from their JSON form. Raises KeyError, TypeError."""
        fields = dict(value)
        fields |= {name: Path(fields[name]) for name in ("binary", "home")} | {"extra": tuple(fields.get("extra", ()))}
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexRequest:
    """Hold one call.

    ``tag`` is the LLM_LOOP_RUN of its processes, ``timeout_s`` the keeper's deadline. ``checkout`` is the JSON form
    of what the room ``versions`` needs to open the worker's checkout, None where there is none; Codex then works in
    ``working_folder``. ``keep_out`` are folders that no read tool may open, the sealed rows above all.
    """

    role: Role
    codex: CodexSettings
    tag: str
    timeout_s: float
    prompt_max_chars: int
    display_name: str
    working_folder: Path
    checkout: Mapping[str, Any] | None = None
    keep_out: tuple[Path, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = asdict(self) | {"role": self.role.value, "working_folder": str(self.working_folder)}
        value["codex"] |= {"binary": str(self.codex.binary), "home": str(self.codex.home)}
        value["codex"]["extra"] = list(self.codex.extra)
        value["keep_out"] = [str(path) for path in self.keep_out]
        return value

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Build the request from its JSON form, which only the loop writes. Raises ContractError."""
        try:
            fields = dict(value)
            fields["role"] = Role(fields["role"])
            fields["codex"] = CodexSettings.from_json(fields["codex"])
            fields["working_folder"] = Path(fields["working_folder"])
            fields["keep_out"] = tuple(Path(path) for path in fields.get("keep_out", ()))
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError("request.json of a Codex call", [f"{type(error).__name__}: {error}"]) from error
