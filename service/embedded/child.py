"""Become a program that ends with its parent. Run as a script, with nothing but Python around.

A script and not a ``preexec_fn``, which may deadlock in a process that has threads.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def become(parent: int, stop_signal: int, account: str, program: list[str]) -> None:
    """Replace this process by ``program``, as the account ``UID:GID`` if one is given.

    On Linux the kernel sends ``stop_signal`` when the parent is gone.
    """
    if account:
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
