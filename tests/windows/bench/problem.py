"""Why a bench cannot be had, or did not do what it should."""

from __future__ import annotations


class CannotHave(Exception):
    """This machine cannot have the bench; the text is the reason, in one line. No failure of the project."""


class BenchFailure(Exception):
    """The bench could be had and broke, or a step on it went wrong; the text says which, in one line."""
