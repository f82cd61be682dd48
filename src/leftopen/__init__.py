"""Leftopen: which of our servers hand data to a stranger, what is in there, why, who came in."""

__version__ = "0.1.0"
