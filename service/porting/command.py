"""What `service port` prints and writes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

from .porting import Change, port
from .project import NotAProject

__all__ = ["NotAProject", "run"]

PATIENCE = 2.0
"""Seconds after which a progress bar is shown."""


def run(
    path: Path, names: dict[str, str], write: bool, as_json: bool, echo: Callable[[str], None]
) -> int:
    """Port a project, or show what that would change.

    Args:
        path: the project's directory, or one file.
        names: new names of connections, by their old ones.
        write: whether to write; if not, a unified diff is printed.
        as_json: whether to print the report as JSON, and nothing else.
        echo: prints a line.

    Returns:
        The exit status: 1 if there is anything to do and nothing was written, or no file could
        be parsed.

    Raises:
        NotAProject: there is no Python file at `path`.
    """
    with_bar = Progress()
    found = port(path, names, with_bar)
    with_bar.end()
    if write:
        found.write()
    if as_json:
        echo(found.report.as_json())
    else:
        if not write:
            for line in diff(found.changes):
                echo(line)
        echo(found.report.as_text())
    return 1 if (found.changes and not write) or not found.is_parsed else 0


def diff(changes: list[Change]) -> Iterator[str]:
    """The changes as a unified diff, line by line."""
    for change in changes:
        name = change.path.as_posix()
        lines = difflib.unified_diff(
            change.before.splitlines(),
            change.after.splitlines(),
            f"a/{name}" if change.before else "/dev/null",
            f"b/{name}",
            lineterm="",
        )
        yield from lines


class Progress:
    """A bar on standard error, if it is a terminal and this takes long."""

    WIDTH = 30

    def __init__(self) -> None:
        self._began = monotonic()
        self._shown = False

    def __call__(self, what: str, done: int, of: int) -> None:
        """Tell how far it is."""
        if not sys.stderr.isatty() or monotonic() - self._began < PATIENCE:
            return
        self._shown = True
        filled = self.WIDTH * done // max(of, 1)
        bar = "#" * filled + "." * (self.WIDTH - filled)
        sys.stderr.write(f"\r{what:<16} [{bar}] {done}/{of}")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            sys.stderr.write("\n")
