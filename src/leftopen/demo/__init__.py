"""The 2023 incident rebuilt in small, on loopback only, with the truth known beforehand.

Everything is seeded and synthetic. Real requests to a real web server make the log lines; a table
maps their addresses and times onto the incident, and the demo shows that table, so that nobody
takes it for evidence.
"""
