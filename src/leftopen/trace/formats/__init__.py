"""One file per log format, found by its name (see `trace.registry`)."""
