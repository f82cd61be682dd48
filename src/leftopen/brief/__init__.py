"""The report: one file per output format."""
