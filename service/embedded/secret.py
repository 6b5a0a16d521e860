"""A random secret kept in a file: a local server's password, the key that signs tokens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def stored_secret(path: Path) -> str:
    """The secret in the file ``path``: made on the first call, readable by its owner only."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        write_private(draft, secrets.token_urlsafe(32))
        draft.replace(path)
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read from the first moment on."""
    with open(path, "w", opener=private) as file:
        file.write(text)


def private(path: str, flags: int) -> int:
    """An ``opener`` for `open`: a file that it makes is readable by its owner only."""
    return os.open(path, flags, 0o600)
