"""Servers that misbehave on purpose, each a few lines, and the process that looks at them."""
