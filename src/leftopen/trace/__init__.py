"""Stage 4, trace: who came in while it was open, how much left, and what no log can say."""
