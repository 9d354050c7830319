"""Launch: give a run its next attempt, with everything written down before anything starts."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import CHECKPOINT, Attempt, Run
from llm_loop.runs import command as commands
from llm_loop.runs.devices import VISIBLE
from llm_loop.runs.environment import run_environment
from llm_loop.runs.local import Launch
from llm_loop.system.clock import utc_stamp


def next_attempt(run: Run, now: datetime) -> Attempt:
    """Return the attempt that comes next, with a tag for its processes and a name for its logs."""
    number = len(run.attempts) + 1
    suffix = "" if number == 1 else f"_attempt{number}"
    label = re.sub(r"[^a-z0-9_-]+", "-", run.label.lower()).strip("-") or run.run_id.lower()
    return Attempt(number=number, tag=str(uuid.uuid4()), log_tag=f"{utc_stamp(now)}_{label[:60]}{suffix}")


def launch_of(
    run: Run, attempt: Attempt, config: Config, paths: WorkspacePaths, base_environment: Mapping[str, str]
) -> Launch:
    """Return what the engine needs for this attempt; nothing is written yet."""
    folder = paths.attempt(run.run_id, attempt.number)
    resume_dir = folder_to_resume(run, paths)
    environment = run_environment(base_environment, training_python(config), folder, attempt.tag, resume_dir)
    if attempt.device is not None:
        environment[VISIBLE] = attempt.device
    place = where_it_runs(run, config)
    if place.python_path:
        environment["PYTHONPATH"] = os.pathsep.join(place.python_path)
    return Launch(
        folder=folder,
        command=run.command,
        shell=commands.choose_shell(config.run_shell),
        cwd=place.cwd,
        workspace=paths.root,
        environment=environment,
        files={file["name"]: file["text"] for file in run.decision["run_files"] or ()},
        stdout=stdout_log(paths, attempt),
        stderr=stderr_log(paths, attempt),
        grace_s=config.stop_grace_seconds,
        deadline_s=config.max_run_seconds,
        log_max_bytes=None if config.log_max_mb is None else config.log_max_mb * 1_000_000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Hold the folder that a run starts in and the folders that come first on its PYTHONPATH."""

    cwd: Path
    python_path: tuple[str, ...] = ()


def where_it_runs(run: Run, config: Config) -> RunPlace:
    """Return where a run runs: in its checkout where it has one, else in the training repository."""
    place = run.code.place
    if place is not None:
        return RunPlace(cwd=Path(place["cwd"]), python_path=tuple(place["python_path"]))
    folder: str = run.decision["working_folder"] or "."
    return RunPlace(cwd=config.training_repo_root / folder.replace("\\", "/"))


def folder_to_resume(run: Run, paths: WorkspacePaths) -> Path | None:
    """Return the folder of the latest earlier attempt that left a checkpoint, None where none did.

    Of the attempts since the last mend alone: what was mended begins anew.
    """
    mended = max((done.attempts for done in run.procedure.mends), default=0)
    folders = (paths.attempt(run.run_id, attempt.number) for attempt in reversed(run.attempts[mended:]))
    return next((folder for folder in folders if (folder / CHECKPOINT).is_file()), None)


def training_python(config: Config) -> Path:
    """Return the interpreter of trainings: ``train_python_exe``, else the ``.venv-train`` beside this package."""
    return _there_or_beside(config.train_python_exe, config)


def repair_python(config: Config) -> Path:
    """Return the interpreter into whose environment repairs install: ``auto_repair_python_exe``, found alike."""
    return _there_or_beside(config.auto_repair_python_exe, config)


def _there_or_beside(wanted: Path, config: Config) -> Path:
    """Return a Python of the workspace; where it has none of its own, that of the folder this package lies in."""
    if wanted.exists() or not wanted.is_relative_to(config.workspace_root):
        return wanted
    beside = Path(__file__).resolve().parents[2] / wanted.relative_to(config.workspace_root)
    return beside if beside.exists() else wanted


def stdout_log(paths: WorkspacePaths, attempt: Attempt) -> Path:
    """Return the live standard output of an attempt."""
    return paths.logs / f"{attempt.log_tag}.stdout.log"


def stderr_log(paths: WorkspacePaths, attempt: Attempt) -> Path:
    """Return the live standard error of an attempt."""
    return paths.logs / f"{attempt.log_tag}.stderr.log"
