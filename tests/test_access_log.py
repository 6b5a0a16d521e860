"""The access log shows where requests went, and nothing that a client made up."""

from __future__ import annotations

import logging

import pytest

from service.access_log import KnownPaths
from tests.api.apps import make_app

UUID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "/"),
        ("/api/players/7/summary", "/api/players/7/summary"),
        (f"/api/matches/{UUID}/events", f"/api/matches/{UUID}/events"),
        ("/api/tokens/hush", "/api/tokens/***"),
        ("/hush/api", "/***/api"),
        ("/api/players/\n7", "/api/players/***"),
        ("/api/players/\u0663", "/api/players/***"),
        ("hush", "***"),
    ],
)
def test_words_of_routes_numbers_and_uuids_are_shown(path: str, shown: str) -> None:
    assert KnownPaths(make_app({})).shown(path) == shown


def test_the_routes_are_those_of_the_app_that_was_made_last() -> None:
    for _ in range(3):
        app = make_app({})
    app.add_url_rule("/mine", view_func=lambda: "mine")
    (known,) = logging.getLogger("hypercorn.access").filters
    assert isinstance(known, KnownPaths)
    assert known.shown("/mine") == "/mine"


@pytest.mark.parametrize("atom", ["m", "r", "R", "U", "Uq", "q", "f"])
def test_no_way_to_write_where_from_or_where_to_shows_more(atom: str) -> None:
    atoms = {
        "m": "HUSH",
        "H": "1.1",
        "U": "/hush",
        "q": "x=hush",
        "Uq": "/hush?x=hush",
        "r": "HUSH /hush 1.1",
        "R": "HUSH /hush?x=hush 1.1",
        "f": "http://hush",
    }
    record = logging.LogRecord("x", logging.INFO, "x", 1, f"%({atom})s", (atoms,), None)
    assert KnownPaths(make_app({})).filter(record)
    assert "***" in record.getMessage()
    assert "hush" not in record.getMessage().lower()
