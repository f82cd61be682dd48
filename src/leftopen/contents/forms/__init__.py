"""Government forms: one file per form, found by its name."""
