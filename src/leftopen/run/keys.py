"""The key of a case: 32 random bytes, kept outside the case file, mode 0600.

Whoever has both the key and the case file can test a guess against a digest; whoever has the case
file alone cannot. `LEFTOPEN_KEYS` says where keys lie (default `~/.local/state/leftopen/keys`,
XDG_STATE_HOME respected).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from leftopen.model.errors import UsageError
from leftopen.model.redact import Keyring

KEY_BYTES = 32
NAME_FILE = "key-id"


def keys_folder() -> Path:
    """Where the keys of this user lie."""
    if chosen := os.environ.get("LEFTOPEN_KEYS"):
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "leftopen/keys"


def keyring_of(case_folder: Path) -> Keyring:
    """The key of the case in this folder, made on the first call.

    Raises:
        UsageError: the key of an existing case is gone, or cannot be read or written.
    """
    name_file = case_folder / NAME_FILE
    try:
        if name_file.exists():
            return Keyring((keys_folder() / name_file.read_text().strip()).read_bytes())
        name = secrets.token_hex(16)
        _write(keys_folder() / name, secrets.token_bytes(KEY_BYTES))
        _write(name_file, name.encode() + b"\n")
        return keyring_of(case_folder)
    except FileNotFoundError as e:
        raise UsageError(
            f"the key of this case is not at {e.filename}; set LEFTOPEN_KEYS to where it lies, "
            "or start a new case folder"
        ) from None
    except (OSError, ValueError) as e:
        raise UsageError(f"the key of this case cannot be used: {e}") from None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
