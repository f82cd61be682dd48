"""Detectors: one file per kind of value, found by its name."""
