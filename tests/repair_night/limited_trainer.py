"""Run the reference trainer with a limit of the system's own: ``limited_trainer.py MEGABYTES WORDS...``.

The limit counts from what the libraries alone take, so that it is the batch that does not fit.
"""

from __future__ import annotations

import resource
import runpy
import sys
from pathlib import Path

import sklearn.datasets
import torch

LOADED = (sklearn.datasets, torch)

if __name__ == "__main__":
    megabytes = int(sys.argv[1])
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * 1_000_000, resource.RLIM_INFINITY))
    sys.argv[:] = ["llm_loop.trainer", *sys.argv[2:]]
    sys.path.insert(0, str(Path.cwd()))  # as -m has it
    runpy.run_module("llm_loop.trainer", run_name="__main__")
