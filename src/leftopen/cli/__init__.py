"""The commands, thin: they parse words, call `run`, and print. Heavy imports inside commands."""
