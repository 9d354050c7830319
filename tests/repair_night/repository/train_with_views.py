"""Train with the noise of several views, which are looked for when they are needed."""

import tiny.notes  # noqa: F401 - it notes the start
from tiny.training import main


def noise() -> float:
    import viewlab

    return float(viewlab.__version__) / 100


main(noise=noise())
