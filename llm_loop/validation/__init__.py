"""Cheap checks of a run before it takes a slot: does its command read, is what it names there, does a dry run pass."""
