"""The ways by which a person is told who is needed: whether each could be tried. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.checks.check import Check, ok, problem
from llm_loop.config import Config
from llm_loop.errors import CommandError
from llm_loop.notification.ways import COMMAND_KEY, INSTALL, LIBRARY, URLS_KEY, library_is_there
from llm_loop.system.argv import argv_of

_NAME = "notification"


def check_notification(config: Config) -> Iterator[Check]:
    """Look at what is set; nothing is said where nothing is."""
    if config.notify_command is not None:
        try:
            argv_of(config.notify_command, config.workspace_root)
        except CommandError as error:
            yield problem(_NAME, f"{COMMAND_KEY}: {error}", f"set {COMMAND_KEY} to a program that is there, or to null")
        else:
            yield ok(_NAME, f"{COMMAND_KEY} names a program that is there")
    if count := len(config.notify_urls):
        addresses = f"{count} address{'' if count == 1 else 'es'}"
        if library_is_there():
            yield ok(_NAME, f"{URLS_KEY}: {addresses}, and the library {LIBRARY} is there")
        else:
            yield problem(_NAME, f"{URLS_KEY}: {addresses}, and the library {LIBRARY} is not there", INSTALL)
