"""What a person may set: ``config/daemon_config.json`` and ``LLM_LOOP_<KEY>``, checked once, frozen from there on.

Keys, types, ranges, defaults and descriptions stand in one place, ``contract/config.schema.json``.
"""

from llm_loop.config.explaining import ExplainedKey, explain
from llm_loop.config.loading import load_config
from llm_loop.config.missions import missing_missions
from llm_loop.config.settings import (
    ApprovalRule,
    CloneSource,
    CodeIsolation,
    Config,
    InteractionMode,
    RunShell,
    SandboxMode,
)
from llm_loop.config.sources import RESERVED_VARIABLES, Source, SourceKind

__all__ = [
    "RESERVED_VARIABLES",
    "ApprovalRule",
    "CloneSource",
    "CodeIsolation",
    "Config",
    "ExplainedKey",
    "InteractionMode",
    "RunShell",
    "SandboxMode",
    "Source",
    "SourceKind",
    "explain",
    "load_config",
    "missing_missions",
]
