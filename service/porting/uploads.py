"""Uploaded files that are saved as under Flask: to a path, or into what has been opened."""

from __future__ import annotations

import asyncio
from os import PathLike
from typing import IO

from quart.datastructures import FileStorage
from quart.formparser import FormDataParser


class PortedFile(FileStorage):
    """A file of a form; Quart's can be saved to a path alone."""

    async def save(  # type: ignore[override]
        self, dst: str | PathLike[str] | IO[bytes], buffer_size: int = 16384
    ) -> None:
        """Write the file to a path, or into an open file, in pieces of so many bytes."""
        if isinstance(dst, str | PathLike):
            await super().save(dst, buffer_size)  # type: ignore[arg-type]
            return
        while piece := self.stream.read(buffer_size):
            dst.write(piece)
            await asyncio.sleep(0)


class PortedFormParser(FormDataParser):
    """Quart's, whose files are of that class."""

    file_storage_class = PortedFile
