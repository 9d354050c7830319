"""A bad night in small, for users: a loop of its own is killed, torn and spoiled, and what was lost is counted."""
