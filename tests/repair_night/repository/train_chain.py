"""Train with modules of which each lacks the next."""

import importlib

import tiny.notes  # noqa: F401 - it notes the start
from tiny.training import main


def noise() -> float:
    return sum(importlib.import_module(f"chain_{letter}").LEVEL for letter in "abcde")


main(noise=noise())
