"""The images of a training: where they come from, how they are read and split."""
