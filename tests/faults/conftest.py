"""Where servers of a test's own keep their data, and the log of the service under test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.embedded.directory import data_directory

from .outage import Place, place


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory, gone after the test."""
    with data_directory(None) as path:
        yield path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the service under test writes its log."""
    return tmp_path / "service.log"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncIterator[Place]:
    """Servers of the module's own, and the service on them: for tests on the module's loop."""
    with data_directory(None) as directory:
        async with place(directory) as found:
            yield found
