"""Runs and the engine that holds their processes."""
