"""Cause: which directive or cloud setting opened it, and the smallest change that closes it.

`explain` reads configuration files, `match` ties what it says to what the probes saw.
"""
