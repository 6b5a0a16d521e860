"""PostgreSQL refuses to run as root: the account it runs as instead, and that it reaches its files.

Nothing here does anything unless this process is root.
"""

from __future__ import annotations

import logging
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from .errors import StartupError
from .process import Account

logger = logging.getLogger(__name__)

_NAMES = ("postgres", "nobody")


def unprivileged_account(directory: Path) -> Account | None:
    """The account to run as: the one that owns ``directory``, else ``postgres``, else ``nobody``.

    None when this process is not root and simply runs its children as itself.
    """
    if os.geteuid() != 0:
        return None
    if directory.exists():
        owner = directory.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StartupError(f"PostgreSQL does not run as root; none of {_NAMES} is an account here")


def make_reachable(path: Path, account: Account | None) -> None:
    """Let ``account`` pass through the directories above ``path``: search permission, not reading.

    What had to be opened is reported in the log.
    """
    if account is None:
        return
    opened = []
    for parent in reversed(path.resolve().parents):
        status = parent.stat()
        if not status.st_mode & _search_bit(status, account):
            parent.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
            opened.append(str(parent))
    if opened:
        logger.warning(
            "PostgreSQL cannot run as root; to let another account reach it, others may now pass"
            " through %s",
            ", ".join(opened),
        )


def make_readable(trees: Iterable[Path], account: Account | None) -> None:
    """Let ``account`` read, and execute where the owner may, everything under ``trees``."""
    if account is None:
        return
    for tree in trees:
        make_reachable(tree, account)
        for path in (tree, *tree.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
            if wanted != mode:
                path.chmod(wanted)


def _search_bit(status: os.stat_result, account: Account) -> int:
    if status.st_uid == account.uid:
        return stat.S_IXUSR
    if status.st_gid == account.gid:
        return stat.S_IXGRP
    return stat.S_IXOTH
