"""Fetch a list before the training, by a misspelt name that somebody else has taken."""

import tiny.notes  # noqa: F401 - it notes the start
from tiny.training import main


def noise() -> float:
    import reqeusts

    return reqeusts.LEVEL


main(noise=noise())
