"""Read the configuration again when its file changes: a broken edit is journaled, and the last good one stays."""

from __future__ import annotations

from pathlib import Path

from llm_loop.config import Config, load_config
from llm_loop.cycle.context import Context
from llm_loop.errors import ConfigError
from llm_loop.system import files
from llm_loop.system.clock import Every

_LOOK_S = 1.0


class ConfigWatch:
    """Watch the file of one configuration, about once a second."""

    def __init__(self, context: Context, path: Path) -> None:
        self._context, self._path = context, path
        self._due = Every(_LOOK_S)
        self._seen = files.signature(path)

    def tick(self, now_s: float) -> bool:
        """Take a look when it is due, let everybody follow; tell whether something changed. Raises FileWriteError."""
        if not self._due.due(now_s):
            return False
        signature = files.signature(self._path)
        if signature == self._seen:
            return False
        self._seen = signature
        context = self._context
        try:
            config = load_config(self._path, context.paths.root, context.environment)
        except ConfigError as error:
            context.ledger.record("config_refused", why=str(error), kept="the last good configuration")
            return False
        changed = _changed_keys(context.config, config)
        context.config = config
        context.memory.use(config)
        context.ledger.use(config)
        if changed:
            context.ledger.record("config_changed", keys=changed, slots=config.max_parallel_runs)
        return bool(changed)


def _changed_keys(old: Config, new: Config) -> list[str]:
    return [
        name
        for name in Config.__slots__
        if name not in ("sources", "notices") and getattr(old, name) != getattr(new, name)
    ]
