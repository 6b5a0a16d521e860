"""Row 12 of the contract: `await g.a`, and `g` as it always was."""

from __future__ import annotations

import pytest
from quart import Quart, g
from quart.ctx import _AppCtxGlobals

from service.connections import ConfigurationError, Connections, get_db

from .conftest import MakeApp


async def test_awaiting_an_attribute_of_g_is_get_db(ledger_app: Quart) -> None:
    async with ledger_app.app_context():
        assert await g.x is await get_db("x")
        async with g.y as y:
            assert y is await g.y


async def test_ordinary_use_of_g_is_unchanged(ledger_app: Quart) -> None:
    async with ledger_app.app_context():
        await g.x
        assert "x" not in g
        assert list(g) == []
        assert g.get("x") is None
        g.user = "ann"
        assert "user" in g
        assert list(g) == ["user"]
        assert g.setdefault("user", "bob") == "ann"
        assert g.pop("user") == "ann"
        assert not hasattr(g, "user")
        with pytest.raises(AttributeError):
            g.nobody  # noqa: B018


async def test_a_value_assigned_to_g_comes_first(ledger_app: Quart) -> None:
    async with ledger_app.app_context():
        g.x = "mine"
        assert g.x == "mine"
        assert g.pop("x") == "mine"
        assert await g.x is await get_db("x")


async def test_a_g_class_of_the_users_own_is_kept() -> None:
    class Globals(_AppCtxGlobals):
        greeting = "hello"

    app = Quart("tests")
    app.app_ctx_globals_class = Globals
    app.config["CONNECTIONS"] = {"x": "ledger://x"}
    Connections(app)
    async with app.app_context():
        assert g.greeting == "hello"
    app = Quart("tests")
    app.app_ctx_globals_class = Globals
    app.config["CONNECTIONS"] = {"greeting": "ledger://x"}
    with pytest.raises(ConfigurationError, match="'greeting'"):
        Connections(app)


@pytest.mark.parametrize("name", ["get", "pop", "setdefault", "__class__", "_x"])
def test_a_name_that_collides_with_g_is_refused(make_app: MakeApp, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name!r}.*choose another"):
        make_app(**{name: "ledger://x"})
