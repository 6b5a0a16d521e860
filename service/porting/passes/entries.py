"""What is read of an old connect call: the entry of `CONNECTIONS` that does the same."""

from __future__ import annotations

import builtins
import re
from urllib.parse import quote

import libcst as cst
import libcst.matchers as m

from service.porting.idiom import Kept
from service.porting.nodes import dotted, text_of
from service.porting.plan import Plan
from service.porting.program import Function, Module
from service.porting.replaced import is_set_later
from service.porting.sites import Site
from service.porting.values import Instance, routines

from .borrowing import borrow

_DEFAULTS = {
    "postgresql": ("localhost", "5432"),
    "redis": ("localhost", "6379"),
    "rethinkdb": ("localhost", "28015"),
}
_MAKING = {"flask.Flask", "flask.Flask.__init__"}
_PORTABLE = {"current_app", "app", "os"}
_UNDERSTOOD = {
    "", "conninfo", "cursor_factory", "database", "decode_responses", "dsn", "host", "password",
    "port", "row_factory", "url", "user", "username", "autocommit",
}  # fmt: skip
_NAMES = {"dbname": "database", "database": "database", "db": "database", "passwd": "password"}


class NotPortable(Exception):
    """The call uses something that only its own function knows."""


def unwritten(plan: Plan) -> dict[str, tuple[str, Site]]:
    """Why connections stay that no entry can be written for; of a mapped one, a user writes it."""
    found = {}
    for node, number in plan.program.connects.items():
        kept = plan.idiom.converted(number)
        if kept is not None and not plan.idiom.is_mapped(kept.name):
            site = plan.program.sites[node, "call"]
            try:
                entry(plan, kept, site)
            except NotPortable as error:
                found[kept.name] = (str(error), site)
    return found


def entry(plan: Plan, kept: Kept, site: Site) -> str:
    """The value in `CONNECTIONS`, as source that knows `app`.

    Raises:
        NotPortable: what the old call was given is not known where the app is made.
    """
    node = site.node
    assert isinstance(node, cst.Call)
    given: dict[str, cst.BaseExpression] = {}
    for position, arg in enumerate(node.args):
        if arg.star:
            raise NotPortable("its arguments are given with stars")
        name = arg.keyword.value if arg.keyword else ("", "port", "db")[min(position, 2)]
        given[_NAMES.get(name, name)] = arg.value
    lost = given.keys() - _UNDERSTOOD
    method = dotted(node.func).rpartition(".")[2]
    if method == "from_url":
        lost = given.keys() - {"", "url", "decode_responses"}
    if lost:
        raise NotPortable(f"its {', '.join(sorted(lost))} has no place in a URL here")
    options = {}
    if kept.kind == "redis" and "decode_responses" in given:
        options["decode_responses"] = _source(plan, site, given["decode_responses"])
    if kept.kind == "postgresql":
        is_of_2 = any(path.startswith("psycopg2.") for path in site.paths)
        options["values"] = '"psycopg2"' if is_of_2 else '"psycopg"'
    single = given.get("") or given.get("dsn") or given.get("conninfo") or given.get("url")
    if single is not None and (method == "from_url" or kept.kind == "postgresql"):
        url = _source(plan, site, single)
        text = text_of(single)
        if text is not None and "://" not in text:
            raise NotPortable(f"it must be a URL, not {text!r}")
    else:
        if single is not None:
            given.setdefault("host", single)
        url = _url(plan, site, kept.kind, given)
    if not options:
        return url
    listed = "".join(f', "{name}": {value}' for name, value in options.items())
    return f'{{"url": {url}{listed}}}'


def _url(plan: Plan, site: Site, kind: str, given: dict[str, cst.BaseExpression]) -> str:
    host, port = _DEFAULTS[kind]
    user = _part(plan, site, given.get("user") or given.get("username"), "", of_user=True)
    password = _part(plan, site, given.get("password"), "", of_user=True)
    who = f"{user}{':' + password if password else ''}@" if user or password else ""
    host = _part(plan, site, given.get("host"), host)
    if host.startswith("/"):
        raise NotPortable("its host is a socket's path")
    if ":" in host and "{" not in host:
        host = f"[{host}]"
    port = _part(plan, site, given.get("port"), port)
    database = _part(plan, site, given.get("database"), "", quoted=True)
    text = f"{kind}://{who}{host}:{port}{'/' + database if database else ''}"
    return f"f{_quoted(text)}" if "{" in text else f'"{text}"'


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def _part(
    plan: Plan,
    site: Site,
    node: cst.BaseExpression | None,
    default: str,
    *,
    quoted: bool = False,
    of_user: bool = False,
) -> str:
    if node is None:
        return default
    text = text_of(node)
    if text is not None:
        return quote(text, safe="") if quoted or of_user else text
    if isinstance(node, cst.Integer):
        return node.value
    source = _source(plan, site, node).replace("'", '"')
    if of_user or _may_be_none(node):
        source = f'{source} or "{default}"'
    if of_user:
        source = f'urllib.parse.quote({source}, safe="")'
    return "{" + source + "}"


def _may_be_none(node: cst.BaseExpression) -> bool:
    """Whether this asks for something that may not be set: no text says None."""
    asking = isinstance(node, cst.Call) and dotted(node.func).rpartition(".")[2]
    return asking in {"get", "getenv"} and isinstance(node, cst.Call) and len(node.args) == 1


def _source(plan: Plan, site: Site, node: cst.BaseExpression) -> str:
    """The expression as source, with `app` for `current_app`."""
    module = site.where.module
    scope = site.where.bindings if site.where.parent is not None else {}
    apps: set[str] = set()
    for word in names_read(node):
        if word in scope:
            raise NotPortable(f"it depends on {word}, which only its function knows")
        if Instance("flask.Flask") in module.bindings.get(word, frozenset()):
            apps.add(word)
        elif not _is_portable(module, word) and not _is_known_to_app(plan, module, word):
            raise NotPortable(f"it depends on {word} of {module.name}")
        elif isinstance(site.where, Function) and word not in _PORTABLE:
            _see_to_what_is_read(plan, node, word, module)
    source = " ".join(cst.Module([]).code_for_node(node).split())
    for app in apps:
        source = re.sub(rf"\b{app}\.config\b", "app.config", source)
    return source.replace("current_app.", "app.").replace("flask.app.", "app.")


def _see_to_what_is_read(plan: Plan, node: cst.BaseExpression, word: str, module: Module) -> None:
    """What is read at each opening must be what the entry reads once."""
    written = [dotted(each).split(".") for each in m.findall(node, m.Name() | m.Attribute())]
    read = {name for parts in written for name in parts if parts[0] == word}
    for function in routines(module.bindings.get(word, frozenset())):
        read |= set(names_read(function.node)) & function.module.bindings.keys() - _PORTABLE
    for name in sorted(read):
        if is_set_later(plan.program, name):
            raise NotPortable(f"it depends on {name}, which is set later")


def names_read(node: cst.CSTNode) -> list[str]:
    """The names that an expression reads."""
    reader = _Names()
    node.visit(reader)
    return reader.found


def _is_portable(module: Module, word: str) -> bool:
    """Whether a name is the same wherever the app is made."""
    of_python = hasattr(builtins, word) and word not in module.bindings
    return of_python or word in _PORTABLE


class _Names(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def visit_Name(self, node: cst.Name) -> None:
        self.found.append(node.value)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False


def _is_known_to_app(plan: Plan, module: Module, word: str) -> bool:
    """Whether the one module that makes an app has the name, or may import it."""
    makers = {site.where for site in apps_made(plan) if not site.where.module.is_test}
    homes = {maker.module for maker in makers}
    if homes == {module}:
        return True
    maker = makers if len(makers) == 1 else homes
    return len(homes) == 1 and borrow(plan, word, module, *maker)


def apps_made(plan: Plan) -> list[Site]:
    """The calls that make an app: of `Flask`, or of its `__init__` in a class that inherits it."""
    return [site for site in plan.sites("call") if site.paths & _MAKING]
