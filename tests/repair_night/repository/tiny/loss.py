"""The loss."""


def squared(error: float) -> float:
    """Return the square of an error; an endless one stays endless."""
    return error * error
