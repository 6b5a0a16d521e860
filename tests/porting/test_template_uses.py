"""What templates may do with what they are given, as far as they can be read."""

from __future__ import annotations

import pytest

from service.porting.templates import Templates

FILES = {
    "templates/base.html": "{{ page }}{% block body %}{% endblock %}",
    "templates/list.html": "{% extends 'base.html' %}{{ it.name }}",
    "templates/other.html": "{% extends layout %}{{ it.name }}",
    "templates/wrong.html": "{% if %}",
}


@pytest.mark.parametrize(
    ("template", "level", "methods"),
    [
        ("{{ it }}", 0, "__str__"),
        ("{{ it }}", 1, "__str__"),
        ("{{ it.name }}", 0, ""),
        ("{{ it.name }}", 1, "__str__"),
        ("{{ it['name'] }}", 0, "__getitem__"),
        ("{{ it[0] }}", 1, "__str__"),
        ("{{ it[0].name }}", 1, ""),
        ("{{ it.one.name }}", 1, ""),
        (
            "{% for row in it | batch(3) %}{% for one in row %}{{ one }}{% endfor %}{% endfor %}",
            1,
            "__str__",
        ),
        ("{{ it | trim }}", 0, "__str__"),
        ("{{ it | length }} {{ it is defined }}", 0, "__str__"),
        ("{{ it | default('none') }}", 0, "__str__"),
        ("{{ it | tojson }}", 0, "__eq__ __str__"),
        ("{{ 'a' ~ it }}", 0, "__eq__ __str__"),
        ("{{ it == 3 }}", 0, "__eq__ __str__"),
        ("{{ call(it) }}", 0, "__eq__ __str__"),
        ("{{ call(one=it) }}", 0, "__eq__ __str__"),
        ("{% if it and not it %}{% endif %}", 0, "__bool__"),
        ("{% for each in it %}{{ each }}{% endfor %}", 0, "__iter__"),
        ("{% for each in it %}{{ each.name }}{% endfor %}", 1, ""),
        ("{% for each in it | sort(attribute='name') %}{{ each.name }}{% endfor %}", 1, ""),
        ("{% for each in it | sort %}{{ each.name }}{% endfor %}", 1, "__eq__ __str__"),
        ("{% for key, each in it.items() %}{{ each.name }}{% endfor %}", 1, ""),
        ("{% for key, each in it.items() %}{{ each }}{% endfor %}", 1, "__str__"),
        ("{% for each in other if it %}{{ it.name }}{% endfor %}", 0, "__bool__"),
        ("{% set that = it or other %}{{ that }}", 0, "__bool__ __str__"),
        ("{% with that = it %}{{ that }}{% endwith %}", 0, "__str__"),
        ("{{ it.name if it else other }}", 0, "__bool__"),
        ("{% macro shown(one) %}{{ one }}{% endmacro %}{{ shown(it) }}", 0, "__eq__ __str__"),
        ("{% filter upper %}{{ it }}{% endfilter %}", 0, "__str__"),
        ("{% trans it=it %}{{ it }}{% endtrans %}", 0, "__eq__ __str__"),
        ("{% include 'list.html' %}", 0, ""),
        ("{% include 'missing.html' %}", 0, "__bool__ __eq__ __iter__ __str__"),
        ("{% include 'other.html' %}", 0, "__bool__ __eq__ __iter__ __str__"),
        ("{% include 'wrong.html' %}", 0, "__bool__ __eq__ __iter__ __str__"),
        ("{{ other }}", 0, ""),
    ],
)
def test_special_methods_that_may_be_called(template: str, level: int, methods: str) -> None:
    use = Templates(FILES, ()).use_of(template, "it")
    asked = ["__bool__", "__eq__", "__iter__", "__str__"]
    if methods == "__getitem__":
        assert use.may_call("__getitem__", level)
        methods = ""
    elif "__eq__" in methods:
        asked = ["__eq__", "__str__"]
        methods = methods.replace("__bool__ ", "").replace("__iter__ ", "")
    assert [name for name in asked if use.may_call(name, level)] == methods.split()


def test_a_file_is_known_by_its_name() -> None:
    templates = Templates(FILES, ())
    assert templates.use_at("list.html", "page").may_call("__str__", 0)
    assert templates.use_at("list.html", "it").may_read("name", 0)
    assert not templates.use_at("list.html", "it").may_read("other", 0)
    assert templates.use_at("missing.html", "it").may_read("other", 0)
