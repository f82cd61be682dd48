"""What a run would contact, and the kind of request it would get. Sends nothing."""

from __future__ import annotations

from pathlib import Path

from leftopen.model.redact import Keyring
from leftopen.reach.reach import Reach
from leftopen.run.inputs import open_scope


def plan(scope_path: Path) -> list[tuple[str, str]]:
    """Every target of a scope file with what it would get, without one packet or look-up.

    Raises:
        ScopeError: the scope file is wrong.
    """
    scope = open_scope(scope_path).scope
    return [(p.what, p.request) for p in Reach(scope, Keyring(bytes(32)), "dry-run").plan()]
