"""`send_file` and `send_from_directory`: ported apps have ours, which take Flask's arguments."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.plan import Plan

_RENAMED = {
    "add_etags": "etag",
    "attachment_filename": "download_name",
    "cache_timeout": "max_age",
}
"""What Flask called otherwise before its second version, as Quart still does."""
_OLD_NAMES = {
    "flask.send_file": _RENAMED,
    "flask.send_from_directory": _RENAMED | {"filename": "path"},
}


def rewrite_files(plan: Plan) -> None:
    """Make out the edits for arguments that the functions of Quart, or of ours, do not have."""
    for site in plan.sites("call"):
        node = site.node
        if not isinstance(node, cst.Call) or "flask" not in site.where.module.source:
            continue
        edits = plan.edits(site.where.module)
        names = {
            old: new
            for path in site.paths & _OLD_NAMES.keys()
            for old, new in _OLD_NAMES[path].items()
        }
        for arg in node.args:
            name = arg.keyword.value if arg.keyword is not None else ""
            if name in names and arg.keyword is not None:
                edits.rename(arg.keyword, names[name])
            elif "flask.Response" in site.paths and name == "direct_passthrough":
                edits.change(node, _without(name))


def _without(name: str) -> Callable[[cst.Call], cst.Call]:
    """The call without this argument; the last that stays is laid out as the last was."""

    def edit(node: cst.Call) -> cst.Call:
        last = node.args[-1]
        kept = [arg for arg in node.args if arg.keyword is None or arg.keyword.value != name]
        if kept and kept[-1] is not last:
            space = last.whitespace_after_arg
            kept[-1] = kept[-1].with_changes(comma=last.comma, whitespace_after_arg=space)
        return node.with_changes(args=kept)

    return edit
