"""Train with a module whose package lacks the half of it."""

import tiny.notes  # noqa: F401 - it notes the start

# isort: split
import halfkit  # noqa: F401 - the half that is there
from tiny.training import main


def noise() -> float:
    import halfkit.engine

    return halfkit.engine.LEVEL


main(noise=noise())
