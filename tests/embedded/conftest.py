"""What the tests of the local servers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded.directory import data_directory


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory, gone after the test."""
    with data_directory(None) as path:
        yield path
