"""One file per protocol; each holds a `Protocol` constant that the registry finds by itself."""
