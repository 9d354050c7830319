"""The workspace: configuration, disk, training repository, data, locks, and whether a daemon holds it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from llm_loop.checks.check import Check, failed, notice, ok, problem
from llm_loop.config import Config, load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError, CorruptFileError, LoopError
from llm_loop.system import files
from llm_loop.system.instance_lock import InstanceLock, is_held

_MEGABYTE = 1_000_000
_PLENTY = 5
_LOCAL_DISK = "keep the workspace on a local disk, or a network drive that knows locks"


def check_config(path: Path, workspace: Path, environ: Mapping[str, str]) -> tuple[Config | None, list[Check]]:
    """Load the configuration; return it, None when it is refused, and what is to say of it."""
    try:
        config = load_config(path, workspace, environ)
    except ConfigError as error:
        return None, [failed("config", str(error), "mend it as it says, then `llm-loop config`")]
    notices = [notice("config", text) for text in config.notices]
    return config, [ok("config", f"{path} is good"), *notices]


def check_disk(paths: WorkspacePaths, config: Config) -> Check:
    """Compare the free disk space with ``min_free_disk_mb``."""
    free_mb = files.free_bytes(paths.root) // _MEGABYTE
    least = config.min_free_disk_mb
    said = f"{free_mb:,} MB free"
    mend = "free some space, or set min_free_disk_mb in the configuration"
    if free_mb < least:
        return failed("disk", f"{said}: below {least:,} MB (min_free_disk_mb) nothing is launched", mend)
    if free_mb < _PLENTY * least:
        return notice("disk", f"{said}: not much for a night; below {least:,} MB nothing is launched", mend)
    return ok("disk", said)


def check_repository(config: Config) -> Check:
    """See whether the training repository is there."""
    root = config.training_repo_root
    try:
        entries = sum(1 for _ in root.iterdir())
    except NotADirectoryError:
        return failed("training repository", f"{root} is no folder", "set training_repo_root in the configuration")
    except OSError as error:
        mend = "set training_repo_root in the configuration, or make it readable"
        return failed("training repository", f"{root}: {error.strerror or error}", mend)
    if not entries:
        return problem("training repository", f"{root} is empty", "put the training code there")
    return ok("training repository", str(root))


def check_data(config: Config) -> Check:
    """See whether the data are where the configuration says."""
    source = config.data_source_root
    if source is None:
        return ok("data", "data_source_root names no folder: trainings know their data themselves")
    if not source.is_dir():
        return problem("data", f"{source} is no folder", "set data_source_root in the configuration, or mount it")
    return ok("data", str(source))


def check_locks(paths: WorkspacePaths) -> Check:
    """Take a lock on a file of its own where the daemon's will lie; two daemons must not share a workspace."""
    folder = paths.loop if paths.loop.is_dir() else paths.root
    try:
        descriptor, name = tempfile.mkstemp(prefix=".lock-trial-", dir=folder)
        os.close(descriptor)
    except OSError as error:
        mend = "make the workspace writable for you"
        return failed("locks", f"nothing can be written in {folder}: {error.strerror or error}", mend)
    trial = Path(name)
    try:
        return _lock_works(trial)
    except (LoopError, OSError) as error:
        return failed("locks", f"no file can be locked in {folder}: {error}", _LOCAL_DISK)
    finally:
        files.remove(trial)


def _lock_works(trial: Path) -> Check:
    with InstanceLock(trial, patience_s=0.0):
        held = is_held(trial)
    if not held or is_held(trial):
        return failed("locks", f"locks have no effect in {trial.parent}: two daemons could start", _LOCAL_DISK)
    return ok("locks", f"files can be locked in {trial.parent}")


def check_instance(paths: WorkspacePaths) -> Check:
    """Tell whether a daemon holds the workspace."""
    try:
        held = is_held(paths.instance_lock)
    except OSError as error:
        return problem("daemon", f"{paths.instance_lock}: {error.strerror or error}", _LOCAL_DISK)
    beat = _heartbeat(paths)
    if held:
        return ok("daemon", f"a daemon holds the workspace (pid {beat.get('pid', 'unknown')})")
    if beat.get("daemon_status") == "running":
        return notice("daemon", "the last daemon ended without a word", "`llm-loop start` goes on where it was")
    return ok("daemon", "no daemon holds the workspace")


def _heartbeat(paths: WorkspacePaths) -> dict[str, object]:
    try:
        value = files.read_json(paths.heartbeat)
    except (OSError, CorruptFileError):
        return {}
    return value if isinstance(value, dict) else {}
