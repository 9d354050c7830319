"""What repair is made of: the facts of a run, the rules by what they change, what a person is told."""
