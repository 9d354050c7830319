"""End without a word."""

import sys

import tiny.notes  # noqa: F401 - it notes the start

sys.exit(3)
