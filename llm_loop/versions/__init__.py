"""Code versions of the training repository, checkouts of them, and the one door for edits."""
