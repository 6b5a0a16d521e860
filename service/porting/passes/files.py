"""`send_file` and `send_from_directory`: Quart calls some arguments by other names."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import called, dotted
from service.porting.plan import Plan
from service.porting.program import Site

_RENAMED = {
    "download_name": "attachment_filename",
    "etag": "add_etags",
    "max_age": "cache_timeout",
    "path_or_file": "filename_or_io",
}
_IN_DIRECTORY = {**_RENAMED, "path": "file_name", "filename": "file_name"}


def rewrite_files(plan: Plan) -> None:
    """Make out the edits for files that are sent, and for arguments that Quart does not have."""
    for site in plan.sites("call"):
        node = site.node
        if not isinstance(node, cst.Call):
            continue
        edits = plan.edits(site.where.module)
        if "flask.send_from_directory" in site.paths:
            _rename(plan, site, node, _IN_DIRECTORY)
            directory = _argument(node, "directory")
            if directory is not None and not _is_rooted(directory.value):
                edits.need("os")
                app = edits.need("quart", "current_app")
                edits.change(directory, _rooted(app))
        elif "flask.send_file" in site.paths:
            _rename(plan, site, node, _RENAMED)
            if node.args and _is_relative(node.args[0].value):
                edits.need("os")
                app = edits.need("quart", "current_app")
                edits.change(node.args[0], _rooted(app))
        elif "flask.Response" in site.paths:
            for arg in node.args:
                if arg.keyword is not None and arg.keyword.value == "direct_passthrough":
                    edits.change(arg, lambda old: cst.RemoveFromParent())


def _argument(node: cst.Call, name: str) -> cst.Arg | None:
    """The first argument, however it is given."""
    for number, arg in enumerate(node.args):
        named = arg.keyword is not None and arg.keyword.value == name
        if named or (number == 0 and arg.keyword is None and not arg.star):
            return arg
    return None


def _rename(plan: Plan, site: Site, node: cst.Call, names: dict[str, str]) -> None:
    for arg in node.args:
        if arg.keyword is not None and arg.keyword.value in names:
            new = names[arg.keyword.value]
            plan.edits(site.where.module).change(arg.keyword, _named(new))


def _named(name: str) -> Callable[[cst.Name], cst.Name]:
    return lambda old: old.with_changes(value=name)


def _rooted(app: str) -> Callable[[cst.Arg], cst.Arg]:
    """Flask takes a relative path from the app's folder, Quart from where the process is."""
    root = cst.parse_expression(f"{app}.root_path")
    return lambda old: old.with_changes(value=called("os.path.join", root, old.value))


def _is_rooted(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Call) and node.args and dotted(node.func) == "os.path.join":
        return dotted(node.args[0].value).endswith(("root_path", "instance_path"))
    return dotted(node).endswith(("static_folder", "instance_path", "root_path"))


def _is_relative(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.FormattedString):
        first = node.parts[0] if node.parts else None
        return isinstance(first, cst.FormattedStringText) and not first.value.startswith("/")
    if isinstance(node, cst.SimpleString):
        return not str(node.evaluated_value).startswith("/")
    return False
