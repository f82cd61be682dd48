"""Joins the stages to the store: the only place where a stage meets it."""
