"""Marking systems: one file per system, found by its name."""
