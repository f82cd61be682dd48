"""The records that flow between rooms: frozen, slotted, no I/O.

One file per family. Every record is a `Record` (a frozen msgspec struct), so the store, the
JSON report and the tests read and write it without another line of code.
"""
