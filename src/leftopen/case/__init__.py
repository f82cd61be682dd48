"""Stage 5, case: the five answers of an exposure as one case, and the earlier cases it is like."""
