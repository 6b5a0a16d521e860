"""Templates of ported apps come out as Flask's do, whatever filters follow one another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flask
import pytest
from quart import Quart, render_template_string

from service.porting.templating import PortedEnvironment

TEMPLATES = [
    "{{ words|map('upper')|dashed }}",
    "{{ words|map('upper')|map('lower')|sort|join(' ') }}",
    "{{ words|select('equalto', 'b')|dashed }} {{ words|reject('equalto', 'b')|dashed }}",
    "{{ rows|selectattr('kept')|map(attribute='name')|sort(reverse=true)|first }}",
    "{{ rows|rejectattr('kept')|list }}",
    "{{ words|unique|dashed }} {% for column in words|slice(2) %}{{ column|dashed }};{% endfor %}",
    "{% set found = words|map('upper') %}{{ dashed(found) }}",
    "{{ words|select('early')|dashed }} {{ words|reject('early', 'c')|dashed }}",
    "{{ rows|selectattr('name', 'early')|list }} {{ rows|rejectattr('name', 'early')|list }}",
    "{{ none|select('early')|list }}{{ missing|reject('early')|list }}",
    "{{ words|select|map('upper')|reject('equalto', 'A')|dashed }}",
]


def dashed(words: Iterable[str]) -> str:
    return "-".join(words)


def is_early(word: str, limit: str = "b") -> bool:
    return word < limit


async def is_early_async(word: str, limit: str = "b") -> bool:
    """What a test that asks a database becomes."""
    return is_early(word, limit)


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_filter_takes_what_another_gives(template: str) -> None:
    of_flask, ported = flask.Flask("templates"), Quart("templates")
    ported.jinja_environment = PortedEnvironment
    for app in (of_flask, ported):
        app.template_filter()(dashed)
        app.template_global()(dashed)
    of_flask.template_test("early")(is_early)
    ported.jinja_env.tests["early"] = is_early_async
    rows = [{"name": "a", "kept": True}, {"name": "b", "kept": False}, {"name": "c", "kept": True}]
    given: dict[str, Any] = {"words": ["b", "a", "b"], "rows": rows}
    with of_flask.test_request_context("/"):
        expected = flask.render_template_string(template, **given)
    async with ported.test_request_context("/"):
        assert await render_template_string(template, **given) == expected
