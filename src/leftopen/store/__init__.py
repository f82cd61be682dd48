"""Runs, records and cases on disk: the only code that talks to a database."""
