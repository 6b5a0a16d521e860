"""`flask` becomes `quart`, name by name; what has no counterpart stays, and is reported."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType

import libcst as cst
import libcst.matchers as m

from service.porting.awaitables import RENAMED
from service.porting.environment import Names
from service.porting.importing import FROM_FILES
from service.porting.imports_gone import TYPE_CHECKING
from service.porting.libraries import EXTENSIONS, extension
from service.porting.nodes import as_dotted, called, dotted, source_of, text_of
from service.porting.passes.streams import streaming_plainly
from service.porting.plan import COPY_CONTEXT, RUNNING, SENDING, STREAM, TESTING, Plan, paths
from service.porting.program import Module
from service.porting.rewriter import Edits
from service.porting.values import NOTHING, External, Values
from service.porting.walking import below

MOVED = ("send_file", "send_from_directory")
"""Of `flask`, what ported code has from here, by its own name."""
_SENDING = {name: (SENDING, name) for name in MOVED}
_OURS = {
    "FlaskClient": (TESTING, "PortedClient"),
    COPY_CONTEXT: (RUNNING, COPY_CONTEXT),
    STREAM: (RUNNING, STREAM),
    **_SENDING,
}
"""What ported code imports from here."""
_HEAD = re.compile(r"""[fFrR]{0,2}["']([A-Za-z_]\w*)?\.""")
"""The first name of one that is put together, if it is written out; none of a relative one."""
_MACRO = "get_template_attribute"
_ABSENT = m.Name("ImportError") | m.Name("ModuleNotFoundError")
_OR_ABSENT = m.Tuple([m.ZeroOrMore(), m.Element(_ABSENT), m.ZeroOrMore()])
_WITHOUT = m.ExceptHandler(type=_ABSENT | _OR_ABSENT)
_ATTEMPT = m.Try(handlers=[m.ZeroOrMore(), _WITHOUT, m.ZeroOrMore()])
_VERSION = "__version__"
_FLASK = cst.SimpleString('"flask"')
_OF_FLASK = "Quart says no version; Flask's is that of what is installed beside it"
_NO_MACRO = f"{_MACRO}: Quart's templates have no module: call the macro in a template"


def rewrite_imports(plan: Plan) -> None:
    """Make out the edits for all imports of Flask."""
    plain = streaming_plainly(plan)
    for module in plan.program.modules.values():
        ours = set(_OURS) if module in plain else set(_OURS) - {STREAM}
        imports = _Imports(plan, module, plan.edits(module), ours)
        for node in below(module.tree):
            imports.rewrite(node)
    for site in plan.sites("call"):
        if f"flask.{_MACRO}" in site.paths:
            plan.hand(site.where, site.node, _NO_MACRO)


_AWAIT_YOURSELF = "await yourself what is awaited of it"


class _Imports:
    def __init__(self, plan: Plan, module: Module, edits: Edits, ours: set[str]) -> None:
        self.plan = plan
        self.module = module
        self.edits = edits
        self.ours = ours
        self.imported: set[cst.CSTNode] = set()
        self.never_run: set[cst.CSTNode] = set()
        self.attempted: set[cst.CSTNode] = set()

    def rewrite(self, node: cst.CSTNode) -> None:
        """Make out the edits for a node, if it has to do with imports."""
        if m.matches(node, m.If(test=TYPE_CHECKING)):
            self.never_run.update(below(cst.ensure_type(node, cst.If).body))
        if m.matches(node, _ATTEMPT):
            self.attempted.update(below(cst.ensure_type(node, cst.Try).body))
        if isinstance(node, cst.Import | cst.ImportFrom):
            self.imported.update(below(node))
        if isinstance(node, cst.Import):
            self._import(node)
        elif isinstance(node, cst.ImportFrom):
            self._import_from(node)
        elif isinstance(node, cst.Call):
            self._call(node)
        elif isinstance(node, cst.Attribute) and node not in self.imported:
            self._attribute(node)

    def _import(self, node: cst.Import) -> None:
        for alias in node.names:
            name = dotted(alias.name)
            self._tell_extension(node, name)
            self._tell_of_several(node, name)
            new = _quart(name) if _is_of_flask(name) else name
            lacked = new.startswith("quart.") and _module(new) is None
            if lacked:
                self._tell_lacked(node, f"Quart has no module {new}")
            if new != name and (not lacked or node in self.attempted):
                self.edits.change(alias.name, _to(as_dotted(new)))
                if alias.asname is None:
                    self.edits.renamed["flask"] = "quart"

    def _import_from(self, node: cst.ImportFrom) -> None:
        name = dotted(node.module) if node.module is not None and not node.relative else ""
        if not node.relative:
            self._tell_extension(node, name)
            self._tell_of_several(node, name)
        if not _is_of_flask(name):
            return
        new = _quart(name)
        if isinstance(node.names, cst.ImportStar):
            self.edits.change(node, lambda old: old.with_changes(module=as_dotted(new)))
            self.edits.renamed.update(RENAMED)
            self.edits.imports |= {
                (*_SENDING[name], None) for name in _SENDING if f"{name}(" in self.module.source
            }
            self.plan.note(self.module, node, "names imported with * are taken for Flask's")
            return
        self._rename_members(node, new)

    def _rename_members(self, node: cst.ImportFrom, new: str) -> None:
        assert not isinstance(node.names, cst.ImportStar)
        kept: list[cst.ImportAlias] = []
        moved: list[cst.ImportAlias] = []
        ours: list[cst.ImportAlias] = []
        for alias in node.names:
            name = dotted(alias.name)
            wanted = RENAMED.get(name, name)
            if name in self.ours:
                ours.append(alias)
            else:
                lacked = not _in_quart(new, wanted)
                (kept if lacked and node not in self.attempted else moved).append(alias)
                if name == _VERSION:
                    self.plan.note(self.module, node, _OF_FLASK)
                elif lacked:
                    self._tell_lacked(node, f"Quart has no {new}.{wanted}")
            if alias.asname is None and wanted != name:
                self.edits.renamed[name] = _OURS[name][1] if name in _OURS else wanted
        for alias in ours:
            bound = dotted(alias.asname.name) if alias.asname else None
            self.edits.imports.add((*_OURS[dotted(alias.name)], bound))
            self.edits.freed.add(dotted(alias.name))
        parts = [
            node.with_changes(
                module=as_dotted(of),
                names=_without_last_comma(names, node.names[-1]),
                lpar=lpar,
                rpar=rpar,
            )
            for of, names, lpar, rpar in (
                (new, moved, node.lpar, node.rpar),
                (dotted(node.module), kept, None, None),
            )
            if names
        ]
        for alias in moved:
            if dotted(alias.name) in RENAMED:
                wanted = RENAMED[dotted(alias.name)]
                parts[0] = _renamed(parts[0], alias, wanted)
        self.edits.change(node, lambda old: _replacement(parts))

    def _call(self, node: cst.Call) -> None:
        site = self.plan.program.sites.get((node, "call"))
        from_file = site is not None and not FROM_FILES.isdisjoint(site.paths)
        if from_file and not self.plan.program.values.get(node):
            what = "of a file known only when it runs"
            self.plan.hand(self.module, node, f"a dynamic import {what}: look at it yourself")
        if dotted(node.func) in {"__import__", "import_module", "importlib.import_module"}:
            name = text_of(node.args[0].value) if node.args else None
            head = _HEAD.match(source_of(node.args[0].value)) if node.args else None
            of_others = name is None and head is not None and head[1] != "flask"
            if not of_others and (name is None or name.partition(".")[0] == "flask"):
                what = f"of {name}" if name else "of a name known only when it runs"
                self.plan.hand(self.module, node, f"a dynamic import {what}: look at it yourself")

    def _attribute(self, node: cst.Attribute) -> None:
        name, values = node.attr.value, self._read_from(node)
        for of in sorted(of for of in paths(values) if _is_of_flask(of) and _module(of)):
            if name == COPY_CONTEXT:
                self.edits.rename(node, self.edits.need(RUNNING, COPY_CONTEXT))
            elif name in RENAMED:
                self.edits.rename(node.attr, RENAMED[name])
            elif name in _SENDING and "flask" in self.module.source:
                self.edits.rename(node, self.edits.need(*_SENDING[name]))
            elif of == "flask" and name == _VERSION:
                asked = called(self.edits.need("importlib.metadata", "version"), _FLASK)
                self.edits.change(node, _to(asked))
                self.plan.note(self.module, node, _OF_FLASK)
            elif len(values) == 1 and not _in_quart(_quart(of), name):
                self.plan.hand(self.module, node, f"Quart has no {_quart(of)}.{name}")

    def _read_from(self, node: cst.Attribute) -> Values:
        """What an attribute is read from, in annotations, too."""
        values = self.plan.program.values.get(node, NOTHING)
        if isinstance(node.value, cst.Name):
            values |= self.module.bindings.get(node.value.value, NOTHING)
        elif isinstance(node.value, cst.Attribute):
            name = node.value.attr.value
            values |= {External(f"{of}.{name}") for of in paths(self._read_from(node.value))}
        return values

    def _tell_of_several(self, node: cst.CSTNode, name: str) -> None:
        """Report what may be several modules, by which directory is on the path."""
        known = self.plan.program.on_the_path.get(name, [])
        if len(known) < 2 or Names(self.plan.program).module(name, self.module) is not None:
            return
        if any(of.is_of_flask for of in known):
            files = " or ".join(sorted(of.path.as_posix() for of in known))
            self.plan.hand(self.module, node, f"{name} may be {files}: {_AWAIT_YOURSELF}")

    def _tell_extension(self, node: cst.CSTNode, name: str) -> None:
        found = extension(name)
        if found is None:
            return
        own = {part for of in self.plan.program.modules for part in of.split(".")}
        if name.partition(".")[0] in own:
            return
        instead = EXTENSIONS.get(found, "nothing known")
        self._tell(node, f"{found} is for Flask; instead: {instead}")

    def _tell_lacked(self, node: cst.CSTNode, reason: str) -> None:
        """Report what Quart lacks: if it is only tried, the project does without."""
        if node in self.attempted:
            self.plan.note(self.module, node, f"{reason}: the handler of ImportError does without")
        else:
            self._tell(node, reason)

    def _tell(self, node: cst.CSTNode, reason: str) -> None:
        """Report an import that does not work, be it for type checkers alone."""
        if node in self.never_run:
            self.plan.note(self.module, node, f"for type checkers: {reason}")
        else:
            self.plan.hand(self.module, node, reason)


def _to(node: cst.CSTNode) -> Callable[[cst.CSTNode], cst.CSTNode]:
    return lambda old: node


def _renamed(node: cst.ImportFrom, alias: cst.ImportAlias, name: str) -> cst.ImportFrom:
    """The import with another name in place of this one."""
    assert not isinstance(node.names, cst.ImportStar)
    names = [
        each.with_changes(name=cst.Name(name)) if each.name is alias.name else each
        for each in node.names
    ]
    return node.with_changes(names=names)


def _replacement(parts: list[cst.ImportFrom]) -> object:
    if not parts:
        return cst.RemoveFromParent()
    return parts[0] if len(parts) == 1 else cst.FlattenSentinel(parts)


def _without_last_comma(
    names: list[cst.ImportAlias], last: cst.ImportAlias
) -> list[cst.ImportAlias]:
    if not names or names[-1] is last:
        return names
    return [*names[:-1], names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]


def _is_of_flask(name: str) -> bool:
    return name == "flask" or name.startswith("flask.")


def _quart(name: str) -> str:
    """What a module of Flask's is called in Quart."""
    return "quart" + name[len("flask") :]


def _in_quart(module: str, name: str) -> bool:
    """Whether Quart has this, and there."""
    found = _module(module)
    return found is not None and (hasattr(found, name) or _module(f"{module}.{name}") is not None)


@cache
def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
