"""What only tests put in: it does not tell what the code that is tested calls elsewhere."""

from __future__ import annotations

from .containers_made import is_unknown
from .sites import Site
from .values import External, Instance, Object, Routine, Value

MOCKS = ("unittest.mock.", "mock.", "pytest_mock.")


def is_of_tests(value: Value) -> bool:
    """Whether nothing is known of a value but that it may be a mock, or something of a test."""
    if isinstance(value, Routine):
        return value.function.module.is_test
    if isinstance(value, Object):
        return value.of.module.is_test
    mocked = isinstance(value, Instance) and value.kind.startswith(MOCKS)
    made = isinstance(value, External) and value.path.startswith(MOCKS)
    return mocked or made or is_unknown(value)


def is_seen_to_call(site: Site) -> bool:
    """Whether something is known that is called there, besides what tests give their own code."""
    if site.where.module.is_test or site.through_parameter:
        return bool(site.functions or site.paths)
    known = [each for each in site.functions if not each.module.is_test]
    return bool(known) or any(not path.startswith(MOCKS) for path in site.paths)
