"""Leftopen: which of our servers hand data to a stranger, what was in there, why, and who came in."""

__version__ = "0.1.0"
