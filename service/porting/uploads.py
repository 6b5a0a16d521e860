"""Uploaded files that are saved as under Flask: to a path, or into what has been opened."""

from __future__ import annotations

import asyncio
from os import PathLike
from shutil import copyfileobj
from typing import IO

from quart.datastructures import FileStorage
from quart.formparser import FormDataParser


class PortedFile(FileStorage):
    """A file of a form; Quart's can be saved to a path alone."""

    async def save(  # type: ignore[override]
        self, destination: str | PathLike[str] | IO[bytes], buffer_size: int = 16384
    ) -> None:
        """Write the file to a path, or into an open file, in pieces of so many bytes."""
        if isinstance(destination, str | PathLike):
            await super().save(destination, buffer_size)  # type: ignore[arg-type]
        else:
            await asyncio.to_thread(copyfileobj, self.stream, destination, buffer_size)


class PortedFormParser(FormDataParser):
    """Quart's, whose files are of that class."""

    file_storage_class = PortedFile
