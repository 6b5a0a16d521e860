"""Data that survive the process: a file of events, one JSON array a line, only ever appended to.

On opening, the file is read and written anew with no more events than the data need. A last line
without its end was torn off when a process died; its write was never confirmed, so it is dropped.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from .storage import Event
from .values import PSEUDOTYPE, Datum, from_wire, to_wire

_FILE: Final = "journal.jsonl"
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":"), default=to_wire).encode


class DataDirectoryError(Exception):
    """The data directory cannot be used; the message says why."""


class Journal:
    """The file in one directory, held by one process at a time."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = open(directory / "lock", "w")  # noqa: SIM115
        except OSError as error:
            message = f"data directory {directory} cannot be used: {error.strerror}"
            raise DataDirectoryError(message) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            message = f"data directory {directory} is in use by another process"
            raise DataDirectoryError(message) from None
        self._path = directory / _FILE
        self._file: IO[bytes] | None = None
        self._pending: list[str] = []

    def read(self) -> Iterator[Event]:
        """The events of the file, in order; raises `DataDirectoryError` for a damaged line."""
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    event = json.loads(line, object_hook=_decoded)
                except ValueError:
                    message = f"{self._path} is damaged in line {number}"
                    raise DataDirectoryError(message) from None
                yield event

    def compact(self, events: Iterable[Event]) -> None:
        """Put these events in the place of all that were written, at once or not at all.

        Raises `DataDirectoryError` if the disk refuses.
        """
        new = self._path.with_suffix(".new")
        try:
            with open(new, "wb") as file:
                for event in events:
                    file.write(_encode(event).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
            self._file = open(self._path, "ab")  # noqa: SIM115
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            raise DataDirectoryError(message) from None

    def append(self, event: Event) -> None:
        self._pending.append(_encode(event))

    def flush(self) -> None:
        """Hand what was appended to the operating system, where it survives the process."""
        if self._pending and self._file is not None:
            self._file.write(("\n".join(self._pending) + "\n").encode())
            self._pending.clear()
            self._file.flush()

    def sync(self) -> None:
        """Wait until the disk has it all."""
        self.flush()
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None
        self._lock.close()


def _decoded(value: dict[str, Any]) -> Datum:
    return from_wire(value) if value.get(PSEUDOTYPE) == "BINARY" else value
