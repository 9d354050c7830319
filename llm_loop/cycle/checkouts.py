"""What the room of code versions is asked: which repository, what of it is code, and which base is preferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import Run

if TYPE_CHECKING:
    from llm_loop.cycle.context import Context


def code_rules(config: Config, paths: WorkspacePaths) -> dict[str, Any]:
    """Return which files of the training repository are code, in the form that the room's jobs take."""
    apart = [paths.loop, config.sealed_root, config.data_source_root]
    environment = config.train_python_exe.parent.parent
    if environment.is_relative_to(config.training_repo_root) and environment != config.training_repo_root:
        apart.append(environment)
    return {
        "repository": str(config.training_repo_root),
        "versions": str(paths.versions),
        "keep_out": [str(path) for path in apart if path is not None],
        "link_folders": list(config.link_folders),
        "output_folders": list(config.output_folders),
    }


def checkout_question(context: Context, checkout_id: str, of: Run | None = None) -> dict[str, Any]:
    """Return the form in which a checkout is asked for.

    Its base is the version of the run ``of``, else of the best run, where that still holds.
    """
    return code_rules(context.config, context.paths) | {
        "checkouts": str(context.paths.checkouts),
        "checkout_id": checkout_id,
        "config_globs": list(context.config.config_globs),
        "preferred": _preferred(context, of),
    }


def _preferred(context: Context, of: Run | None) -> dict[str, Any] | None:
    if of is not None and of.code.version is not None and of.code.repository_version is not None:
        known = {"version": of.code.version, "repository_version": of.code.repository_version}
        return {"run_id": of.run_id, **known}
    best = context.memory.best_row()
    if best is None or best.code_version is None or best.repository_version is None:
        return None
    return {"run_id": best.run_id, "version": best.code_version, "repository_version": best.repository_version}
