"""The one look at the sealed test rows at finish-up: a job's child, its request, and who computes the score."""
