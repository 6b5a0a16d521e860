"""Files beside an app, which Quart opens asynchronously: a plain `open` does in its place."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import called, text_of, with_keyword
from service.porting.plan import Plan
from service.porting.sites import Site

_OPENED = {
    "flask.Flask.open_resource": ("root_path", False),
    "flask.Blueprint.open_resource": ("root_path", True),
    "flask.Flask.open_instance_resource": ("instance_path", True),
}
"""What each of them finds files below, and whether their text is in UTF-8."""
_TAKEN = ("resource", "mode", "encoding")
_READING = {"r", "rt", "rb"}
_UNREADABLE = "how this is opened cannot be read: write `open` in its place"
_REFUSED = "Flask opens this for reading only, and raises ValueError"
_PERHAPS_REFUSED = "Flask refuses to open this for writing; `open` does not"


def rewrite_resources(plan: Plan) -> None:
    """Make out the edits of the calls that open them."""
    for site in plan.sites("call"):
        for path in sorted(_OPENED.keys() & site.paths):
            if isinstance(site.node, cst.Call) and isinstance(site.node.func, cst.Attribute):
                _open(plan, site, site.node, *_OPENED[path])


def _open(plan: Plan, site: Site, node: cst.Call, below: str, in_utf_8: bool) -> None:
    given = _given(node)
    mode = text_of(given["mode"].value) if "mode" in given else "rb"
    is_refused = below == "root_path" and mode not in _READING
    if "resource" not in given or (is_refused and mode is not None):
        reason = _REFUSED if "resource" in given else _UNREADABLE
        plan.hand(site.where, node, reason)
        return
    if is_refused:
        plan.note(site.where, node, _PERHAPS_REFUSED)
    edits = plan.edits(site.where.module)
    edits.need("os")
    edits.change(node, _opened(below, in_utf_8 and mode is not None, "b" not in (mode or "")))


def _given(node: cst.Call) -> dict[str, cst.Arg]:
    """The arguments by their names; nothing if not all of them are written out."""
    given = {
        arg.keyword.value if arg.keyword else name: arg.with_changes(
            comma=cst.MaybeSentinel.DEFAULT
        )
        for arg, name in zip(node.args, _TAKEN, strict=False)
        if not arg.star
    }
    is_whole = len(given) == len(node.args) and given.keys() <= {*_TAKEN}
    return given if is_whole else {}


def _opened(below: str, in_utf_8: bool, is_text: bool) -> Callable[[cst.Call], cst.Call]:
    def edit(node: cst.Call) -> cst.Call:
        assert isinstance(node.func, cst.Attribute)
        given = _given(node)
        place = cst.Attribute(node.func.value, cst.Name(below))
        path = called("os.path.join", place, given["resource"].value)
        mode = given.get("mode", cst.Arg(cst.SimpleString('"rb"')))
        opened = cst.Call(cst.Name("open"), [cst.Arg(path), mode])
        encoding = given["encoding"].value if "encoding" in given else None
        if encoding is None and in_utf_8:
            encoding = cst.SimpleString('"utf-8"')
        if encoding is None or not is_text:
            return opened
        return with_keyword(opened, "encoding", encoding)

    return edit
