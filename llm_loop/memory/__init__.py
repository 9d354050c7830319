"""What the loop remembers: the journal, and the files that are projections of it."""
