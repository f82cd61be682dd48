"""Stage 2, contents: what is in there, how sensitive, and how many people."""
