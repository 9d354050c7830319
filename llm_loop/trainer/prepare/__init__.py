"""Make data sets ready for trainings: read what was downloaded, split it, seal the test rows, and check it."""
