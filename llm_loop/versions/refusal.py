"""What cannot be done with code, said in one sentence."""

from __future__ import annotations

from llm_loop.errors import LoopError


class CodeRefused(LoopError):
    """Say why code cannot be taken, checked out, edited, placed or given out, and what to do about it."""
