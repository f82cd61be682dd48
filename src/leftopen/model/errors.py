"""Every exception that Leftopen raises on purpose.

LeftopenError
 +-- UsageError      the user can put it right: one clear line, exit code 2
 |    +-- ScopeError     the scope file, with file:line
 +-- OutOfScope      a guard refused a connection (never swallowed: it becomes a Gap)
 +-- ProtocolError   a peer broke its protocol or a limit of ours
 |    +-- BudgetSpent    bytes, requests or time of this probe are used up
 |         +-- HostSpent    bytes_per_host of the scope file is used up
 +-- StoreError      the case file cannot be read or is from a newer version
"""

from __future__ import annotations


class LeftopenError(Exception):
    """Base of all errors that Leftopen raises on purpose."""


class UsageError(LeftopenError):
    """Something that the user can put right; printed as one line, exit code 2."""


class ScopeError(UsageError):
    """The scope file is wrong; the message starts with file:line."""


class OutOfScope(LeftopenError):
    """An address outside the scope was about to be contacted; nothing was sent."""


class ProtocolError(LeftopenError):
    """The peer broke its protocol, closed early, or went over a limit."""


class BudgetSpent(ProtocolError):
    """The byte, request or time budget of this probe is used up."""


class HostSpent(BudgetSpent):
    """What the scope file lets be read from this host in one run is used up."""


class StoreError(LeftopenError):
    """The case file cannot be read, is damaged, or is from a newer version."""
