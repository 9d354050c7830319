"""What the process has to hold before torch is imported for the first time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from llm_loop.trainer.failures import host_memory_named
from llm_loop.trainer.settings import Settings


@contextmanager
def prepared(settings: Settings) -> Iterator[None]:
    """Tell torch its threads and CUDA its workspace before torch is imported; name what comes of too little memory."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(settings.training.threads)
    if settings.training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is refused as not repeatable
    with host_memory_named(settings.training.batch_size, settings.data.image_size or 0):
        yield
