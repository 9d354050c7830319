"""The finish-up: a window at the end of a night, in which the best is trained once more and the report is written."""
