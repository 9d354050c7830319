"""Make the two Python environments of a checkout: `.venv` (the loop) and `.venv-train` (the trainer). Stdlib only."""
