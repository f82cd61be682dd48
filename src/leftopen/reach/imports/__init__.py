"""One file per outside sensor whose records join the history of observations."""
