"""The tables of what Quart lacks are complete for the installed Flask and Quart."""

from __future__ import annotations

from service.porting.lacking import DEALT_WITH, LACKED, OTHERWISE, derived


def test_the_tables_are_what_the_installed_packages_say() -> None:
    assert derived() == LACKED.keys() | DEALT_WITH
    assert not derived() & OTHERWISE.keys()
