"""What repairs do to the world, each by a child of its own: install a package, clone a source, take it back."""
