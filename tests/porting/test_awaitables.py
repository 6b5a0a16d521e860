"""The table of what Quart awaits is complete for the installed Flask and Quart."""

from __future__ import annotations

from service.porting.awaitables import AWAITABLE, ENTERED, derived
from service.porting.flask_types import RETURNED, canonical


def test_the_table_is_what_the_installed_packages_say() -> None:
    assert derived() == (AWAITABLE, ENTERED)


def test_names_of_quart_and_of_submodules_count_as_flasks() -> None:
    for path in ("quart.Quart", "flask.app.Flask", "quart.app.Quart", "flask.Flask"):
        assert canonical(path) == "flask.Flask"
    assert canonical("quart.wrappers.Response") == "flask.Response"
    assert canonical("quart.render_template") in AWAITABLE
    assert all(canonical(path) == path for path in RETURNED)
