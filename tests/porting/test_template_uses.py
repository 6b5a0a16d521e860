"""What templates may do with what they are given, as far as they can be read."""

from __future__ import annotations

import pytest

from service.porting.templates import Templates

FILES = {
    "templates/base.html": "{{ page }}{% block body %}{% endblock %}",
    "templates/loop.html": "{% for u in it %}{% block row scoped %}{% endblock %}{% endfor %}",
    "templates/set.html": "{% set kept = it[0] %}",
    "templates/list.html": "{% extends 'base.html' %}{{ it.name }}",
    "templates/other.html": "{% extends layout %}{{ it.name }}",
    "templates/wrong.html": "{% if %}",
}
ANYTHING = "__bool__ __eq__ __getitem__ __iter__ __str__"


@pytest.mark.parametrize(
    ("template", "level", "methods"),
    [
        ("{{ it }}", 0, "__str__"),
        ("{{ it }}", 1, "__str__"),
        ("{{ it.name }}", 0, "__getitem__"),
        ("{{ it.name }}", 1, "__str__"),
        ("{{ it['name'] }}", 0, "__getitem__"),
        ("{{ it[0] }}", 1, "__str__"),
        ("{{ it[0].name }}", 1, "__getitem__"),
        ("{% for each in it[:5] %}{{ each }}{% endfor %}", 1, "__str__"),
        ("{% for each in it[:5] %}{{ each.name }}{% endfor %}", 1, "__getitem__"),
        ("{% for each in it %}{{ loop.previtem }}{% endfor %}", 1, "__str__"),
        ("{% for each in it %}{{ loop.index }}{{ loop.length }}{% endfor %}", 1, ""),
        ("{% for one, two in it %}{% if two %}{% endif %}{% endfor %}", 2, "__bool__"),
        ("{% for one in it.items() %}{% if one[1] %}{% endif %}{% endfor %}", 1, "__bool__"),
        (
            "{% for g in it | groupby('n') %}{% for o in g.list %}{{ o }}{% endfor %}{% endfor %}",
            1,
            "__str__",
        ),
        ("{% set ns = namespace(n=0) %}{% set ns.n = it.name %}{{ ns.n }}", 0, "__getitem__"),
        ("{{ it.one.name }}", 1, "__getitem__"),
        (
            "{% for row in it | batch(3) %}{% for one in row %}{{ one }}{% endfor %}{% endfor %}",
            1,
            "__str__",
        ),
        ("{{ it() }}", 1, "__str__"),
        ("{{ it.first() }}", 2, "__str__"),
        ("{{ it.first().name }}", 2, "__getitem__"),
        ("{% for one in it.get('all') %}{{ one }}{% endfor %}", 3, "__str__"),
        ("{% for one in it recursive %}{{ loop(one.all) }}{% endfor %}", 0, "__getitem__ __iter__"),
        ("{{ it | trim }}", 0, "__str__"),
        ("{{ it | length }} {{ it is defined }}", 0, "__str__"),
        ("{{ it | default('none') }}", 0, "__str__"),
        ("{{ it | tojson }}", 0, ANYTHING),
        ("{{ 'a' ~ it }}", 0, ANYTHING),
        ("{{ it == 3 }}", 0, ANYTHING),
        ("{{ call(it) }}", 0, ANYTHING),
        ("{{ call(one=it) }}", 0, ANYTHING),
        ("{% if it and not it %}{% endif %}", 0, "__bool__"),
        ("{% for each in it %}{{ each }}{% endfor %}", 0, "__getitem__ __iter__"),
        ("{% for each in it %}{{ each.name }}{% endfor %}", 1, "__getitem__"),
        (
            "{% for each in it | sort(attribute='name') %}{{ each.name }}{% endfor %}",
            1,
            "__getitem__",
        ),
        ("{% for each in it | sort %}{{ each.name }}{% endfor %}", 1, ANYTHING),
        ("{% for key, each in it.items() %}{{ each.name }}{% endfor %}", 1, "__getitem__"),
        ("{% for key, each in it.items() %}{{ each }}{% endfor %}", 1, "__str__"),
        ("{% for each in other if it %}{{ it.name }}{% endfor %}", 0, "__bool__ __getitem__"),
        ("{% set that = it or other %}{{ that }}", 0, "__bool__ __str__"),
        ("{% with that = it %}{{ that }}{% endwith %}", 0, "__str__"),
        ("{{ it.name if it else other }}", 0, "__bool__ __getitem__"),
        ("{% macro shown(one) %}{{ one }}{% endmacro %}{{ shown(it) }}", 0, ANYTHING),
        ("{% filter upper %}{{ it }}{% endfilter %}", 0, "__str__"),
        ("{% trans it=it %}{{ it }}{% endtrans %}", 0, ANYTHING),
        ("{% include 'list.html' %}", 0, "__getitem__"),
        ("{% include 'missing.html' %}", 0, ANYTHING),
        ("{% include 'other.html' %}", 0, ANYTHING),
        ("{% include 'wrong.html' %}", 0, ANYTHING),
        ("{{ other }}", 0, ""),
    ],
)
def test_special_methods_that_may_be_called(template: str, level: int, methods: str) -> None:
    use = Templates(FILES, ()).use_of(template, "it")
    asked = ["__bool__", "__eq__", "__getitem__", "__iter__", "__str__"]
    assert [name for name in asked if use.may_call(name, level)] == methods.split()


@pytest.mark.parametrize(
    "template",
    [
        "{% set ns = namespace() %}{% for u in it %}{% set ns.a = u %}{% endfor %}{{ ns.a.name }}",
        "{% set ns = namespace() %}{% set n = ns %}{% set n.a = it[0] %}{{ ns.a.name }}",
        "{% set ns = namespace() %}{% set ns.a = it %}{{ call(ns) }}",
        "{% set ns = namespace(a=it) %}{{ ns.a[0].name }}",
        "{% macro kept(ns) %}{% for u in it %}{% set ns.a = u %}{% endfor %}{% endmacro %}",
        "{% for u in it %}{{ loop.previtem.name }}{% endfor %}",
        "{% for u in it %}{{ loop.nextitem['name'] }}{% endfor %}",
        "{% for u in it %}{{ loop.unheard_of }}{% endfor %}",
        "{% for u in it %}{{ call(loop) }}{% endfor %}",
        "{% for u in it %}{% set l = loop %}{{ l.previtem.name }}{% endfor %}",
        "{% for u in it recursive %}{{ u.name }}{{ loop(u.more) }}{% endfor %}",
        "{% extends 'loop.html' %}{% block row %}{{ u.name }}{% endblock %}",
        "{% macro m(x=it) %}{{ x.name }}{% endmacro %}",
        "{% macro m() %}{{ caller(it) }}{% endmacro %}{% call(x) m() %}{{ x.name }}{% endcall %}",
        "{% from 'set.html' import kept as x with context %}{{ x.name }}",
        "{% import 'set.html' as x with context %}{{ x.kept.name }}",
        "{% import 'set.html' as x with context %}{{ call(x) }}",
        "{% for u in it %}{{ seen }}{% set seen = u.name %}{% endfor %}",
        "{% for u in it.copy() %}{{ u.name }}{% endfor %}",
        "{% set get = it.get %}{{ get('a').name }}",
        "{% for u in others %}{% set it = it.more %}{{ it.name }}{% endfor %}",
    ],
)
def test_what_goes_through_a_variable_of_templates_is_read(template: str) -> None:
    use = Templates(FILES, ()).use_of(template, "it")
    assert use.may_read("name", 1)
    assert use.may_call("__str__", 2)


def test_a_file_is_known_by_its_name() -> None:
    templates = Templates(FILES, ())
    assert templates.use_at("list.html", "page").may_call("__str__", 0)
    assert templates.use_at("list.html", "it").may_read("name", 0)
    assert not templates.use_at("list.html", "it").may_read("other", 0)
    assert templates.use_of("{{ it[key] }}", "it").may_read("other", 0)
    assert not templates.use_of("{{ it[key] }}", "it").may_read("other", 1)
    assert templates.use_at("missing.html", "it").may_read("other", 0)
