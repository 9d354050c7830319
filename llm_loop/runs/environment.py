"""The environment of a run: scrubbed of secrets, with the training environment first on PATH."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from llm_loop.system.environment_scrubbing import without_secrets

_LOADERS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def run_environment(
    base: Mapping[str, str], train_python: Path, run_dir: Path, tag: str, resume_dir: Path | None = None
) -> dict[str, str]:
    """Return the environment of one attempt.

    Variables that look like secrets, the loop's own (LLM_LOOP_*) and those that would bend the
    interpreter are left out; output is UTF-8 and unbuffered; LLM_LOOP_RUN tags every process.
    ``resume_dir`` is the folder of the earlier attempt from whose checkpoint this one may go on, None for none.
    """
    kept = {name: value for name, value in without_secrets(base).items() if name not in _LOADERS}
    search_path = os.pathsep.join([str(train_python.parent), kept.get("PATH", os.defpath)])
    told = {
        "PATH": search_path,
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "LLM_LOOP_RUN": tag,
        "LLM_LOOP_RUN_DIR": str(run_dir),
    }
    if resume_dir is not None:
        told["LLM_LOOP_RESUME_DIR"] = str(resume_dir)
    return kept | told
