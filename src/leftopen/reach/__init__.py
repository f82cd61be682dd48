"""Stage 1, reach: which of our servers hand data to a stranger. Proved, never guessed."""
