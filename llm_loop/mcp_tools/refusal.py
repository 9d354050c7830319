"""What a tool answers when it may not, or cannot, do what it was asked."""


class Refused(Exception):
    """Carry one sentence for the model: what is wrong, and what to ask instead."""
