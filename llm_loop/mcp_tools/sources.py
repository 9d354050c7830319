"""What the tools read: the workspace's files, the runs' logs, and one checkout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from llm_loop.config import Config, load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.mcp_tools.confined import Confined
from llm_loop.mcp_tools.refusal import Refused

CONFIG = Path("config/daemon_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Hold the places of one call.

    ``config`` is None when it cannot be read. Without a readable checkout ``confined`` is None, and ``no_checkout``
    says why.
    """

    paths: WorkspacePaths
    config: Config | None
    keep_out: tuple[Path, ...] = ()
    confined: Confined | None = None
    no_checkout: str = "this call has no checkout"

    @classmethod
    def open(cls, workspace: Path, checkout: Path | None, keep_out: Sequence[Path] = ()) -> Self:
        """Look at what is there. Raises nothing: what is missing is said by the tool that wants it."""
        paths = WorkspacePaths(workspace)
        config = _config(paths)
        shut = [*keep_out, paths.root / ".llm_loop_sealed", paths.codex_home]
        if config is not None:
            shut.append(config.sealed_root)
        shut = [folder.absolute() for folder in shut]
        if checkout is None:
            return cls(paths=paths, config=config, keep_out=tuple(shut))
        try:
            confined = Confined(checkout.absolute(), shut)
            _judge_place(confined.root, paths)
        except Refused as refused:
            return cls(paths=paths, config=config, keep_out=tuple(shut), no_checkout=str(refused))
        return cls(paths=paths, config=config, keep_out=tuple(shut), confined=confined)

    @property
    def checkout(self) -> Confined:
        """The checkout. Raises Refused when there is none."""
        if self.confined is None:
            raise Refused(f"No file can be read: {self.no_checkout}.")
        return self.confined


def _config(paths: WorkspacePaths) -> Config | None:
    try:
        return load_config(paths.root / CONFIG, paths.root, os.environ)
    except (LoopError, OSError):
        return None


def _judge_place(root: Path, paths: WorkspacePaths) -> None:
    """Refuse a folder among the loop's own that is no checkout and no call's working folder."""
    loop = paths.loop.resolve()
    holders = (paths.checkouts.resolve(), paths.calls.resolve())
    if root.is_relative_to(loop) and not any(holder in root.parents for holder in holders):
        raise Refused(f"{root} belongs to the loop itself")
