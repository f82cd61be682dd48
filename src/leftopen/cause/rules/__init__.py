"""One file per product: which combinations of directives let a stranger read data."""
