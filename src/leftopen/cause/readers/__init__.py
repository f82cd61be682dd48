"""One file per configuration syntax: text to directives with file and line."""
